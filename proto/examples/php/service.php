<?php
// Notes, and login with a password. A JSON file keeps the data, under a lock; a real service has a database.
declare(strict_types=1);
ini_set('display_errors', '0'); // With errors in the body, PHP answers 200. They are logged on standard error.
umask(0077);

const GATEWAY = 'http://127.0.0.1:8085';
const NO_USER = ['hash' => '$2y$10$fY27AgYZH3jPLH6UlHnwxOYb2XFY1lOZS3JwVk/yFWDIptzangmHy'];

/** Runs $change on the data, and stores the result. One request at a time. */
function change(callable $change): mixed
{
    $lock = fopen('store.lock', 'c');
    flock($lock, LOCK_EX);
    $data = is_file('store.json') ? json_decode(file_get_contents('store.json'), true, flags: JSON_THROW_ON_ERROR) : [];
    $data += ['users' => [], 'sessions' => [], 'notes' => []];
    $before = $data;
    $result = $change($data);
    if ($data !== $before) {
        file_put_contents('store.json.new', json_encode($data, JSON_THROW_ON_ERROR));
        rename('store.json.new', 'store.json');
    }
    return $result; // The lock ends with $lock.
}

/** @return array<string, mixed> */
function data(): array
{
    return change(fn (array $data): array => $data);
}

function answer(int $status, array $body): never
{
    $json = json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    http_response_code($status);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($json));
    exit($json);
}

function body(): array
{
    $body = json_decode(file_get_contents('php://input'), true);
    return is_array($body) ? $body : answer(400, ['code' => 'invalid_request']);
}

/** A text of the body that is not empty. */
function text(array $body, string $field): string
{
    $text = $body[$field] ?? '';
    return is_string($text) && $text !== '' ? $text : answer(422, ['code' => "{$field}_missing"]);
}

/** Posts to the gateway: an event, or the end of a session. */
function post(string $path, array $message): void
{
    $token = trim(file_get_contents('push.token'));
    $request = [
        'method' => 'POST',
        'header' => ["Authorization: Bearer $token", 'Content-Type: application/json'],
        'content' => json_encode($message, JSON_THROW_ON_ERROR),
        'timeout' => 5,
    ];
    // A failure is a warning in the log.
    file_get_contents(GATEWAY . $path, context: stream_context_create(['http' => $request]));
}

function login(): never
{
    $body = body();
    $user = text($body, 'user');
    // An unknown user takes as long as a wrong password, so that nobody learns who has an account.
    $hash = (data()['users'][$user] ?? NO_USER)['hash'];
    if (!password_verify(text($body, 'password'), $hash)) {
        answer(422, ['code' => 'password_wrong']);
    }
    $id = bin2hex(random_bytes(16));
    change(function (array &$data) use ($id, $user, $body): void {
        $data['sessions'][$id] = [
            'device_session_id' => $id,
            'user_id' => $user,
            'client_public_key' => $body['client_public_key'],
            'client_key_algorithm' => $body['client_key_algorithm'] ?? 'EdDSA',
            'status' => 'active',
        ];
    });
    answer(201, ['device_session_id' => $id]);
}

function session(string $id): never
{
    $session = data()['sessions'][$id] ?? null;
    $session === null ? answer(404, ['code' => 'session_unknown']) : answer(200, $session);
}

function listNotes(string $user): never
{
    $mine = array_filter(data()['notes'], fn (array $note): bool => $note['user'] === $user);
    answer(200, array_map(fn (array $note): array => ['id' => $note['id'], 'text' => $note['text']], array_values($mine)));
}

/** A repeated command has the same key, and creates nothing. */
function createNote(string $user, string $session, string $key): never
{
    $text = text(body(), 'text');
    $note = change(function (array &$data) use ($user, $session, $key, $text): array {
        return $data['notes']["$session $key"] ??= ['id' => count($data['notes']) + 1, 'text' => $text, 'user' => $user];
    });
    $payload = ['id' => $note['id'], 'text' => $note['text']];
    post('/publish', ['user_id' => $user, 'event_type' => 'note.created', 'event_id' => "note-{$note['id']}", 'payload' => $payload]);
    answer(201, ['id' => $note['id']]);
}

/** The gateway ends the streams of the session. The session must be stored as revoked before. */
function signOut(string $session): never
{
    change(function (array &$data) use ($session): void {
        $data['sessions'][$session]['status'] = 'revoked';
    });
    post('/revoke', ['device_session_id' => $session, 'reason' => 'signed out']);
    answer(200, ['signed_out' => true]);
}

if (PHP_SAPI === 'cli') { // php service.php NAME adds a user.
    $name = preg_match('/^[a-z0-9]{1,64}$/D', $argv[1] ?? '') ? $argv[1] : exit("usage: php service.php NAME\n");
    $hash = password_hash(trim(fgets(STDIN) ?: exit("the password is missing\n")), PASSWORD_BCRYPT);
    change(function (array &$data) use ($name, $hash): void {
        $data['users'][$name] = ['hash' => $hash];
    });
    exit;
}

// The headers with the user are trusted, so no other client may call the service.
$authorization = $_SERVER['HTTP_AUTHORIZATION'] ?? '';
if (!hash_equals('Bearer ' . trim(file_get_contents('backend.token')), $authorization)) {
    header('WWW-Authenticate: Bearer');
    answer(401, ['code' => 'unauthenticated']);
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
[$user, $session, $key] = array_map(fn ($name) => $_SERVER["HTTP_$name"] ?? '', ['X_USER_ID', 'X_DEVICE_SESSION_ID', 'IDEMPOTENCY_KEY']);
// Every path gets an answer here: PHP would serve the files of the folder, with the tokens, if this script returned false.
match ("{$_SERVER['REQUEST_METHOD']} $path") {
    'POST /login' => login(),
    'GET /api/notes' => listNotes($user),
    'POST /api/notes' => createNote($user, $session, $key),
    'DELETE /api/session' => signOut($session),
    default => preg_match('#^/internal/sessions/([^/]+)$#D', $path, $found) ? session($found[1]) : answer(404, ['code' => 'not_found']),
};
