import { FRESHNESS_MARGIN_MS_MIN } from "../core/limits.ts";
import { list } from "./decoder.ts";
import { origin } from "./origin.ts";
import { routes, TIMEOUT_MS_MAX } from "./routes.ts";
import { BUDGET_SETTINGS } from "./schema-budgets.ts";
import { CONNECTION_SETTINGS } from "./schema-connections.ts";
import { STORE_SETTINGS } from "./schema-stores.ts";
import { STREAM_SETTINGS } from "./schema-streams.ts";
import { type Setting, secret, setting, unset } from "./setting.ts";
import { boolean, choice, cidr, filePath, hostName, httpUrl, int, listen, text } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const ENTRIES_MAX = 16_777_216;

const entries = int("entries", 1, ENTRIES_MAX);
const delay = int("ms", 1, 600_000);
const seed = text("base64 of the 32 bytes of a seed, as `sallyport keygen` prints it", /^[A-Za-z0-9+/_-]{43}=?$/);
const header = text("visible ASCII characters", /^[\x21-\x7e]{1,4096}$/);
const name = text("1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'", /^[A-Za-z0-9._-]{1,128}$/);

/**
 * The whole configuration. A key has this one name everywhere: in the file (where a dot opens a table), as a variable
 * (`SALLYPORT_` and the key in capitals, dots as underscores), after `--set`, in messages and in the code.
 */
export const SCHEMA = {
  "edge.listen": setting(
    listen,
    "127.0.0.1:8080",
    "Address of the public listener. Loopback until you choose otherwise; `0.0.0.0:8080` or `[::]:8080` for all interfaces.",
  ),
  "edge.grpc": setting(
    choice("own-port", "same-port"),
    "own-port",
    "Where gRPC is served: `own-port`, at `grpc.listen`; or `same-port`, at `edge.listen` together with everything else, at the price of a hop for HTTP/1.1.",
  ),
  "grpc.listen": setting(
    listen,
    "127.0.0.1:8081",
    "Address of the gRPC listener, which speaks Connect and gRPC-Web over HTTP/2 too. Not used with `edge.grpc = same-port`.",
  ),
  "tls.certificate_file": unset(
    filePath,
    "Certificate chain of the edge and gRPC listeners, PEM. With `tls.key_file` it turns TLS on; a renewed file is taken up without a restart.",
  ),
  "tls.key_file": unset(filePath, "Private key that belongs to the certificate, PEM."),
  "tls.client_ca_file": unset(
    filePath,
    "Authorities whose client certificates are accepted, PEM. Given, a client without such a certificate is refused (mTLS).",
  ),
  "tls.reload_ms": setting(int("ms", 100, 86_400_000), 10_000, "How often the TLS files are looked at for a renewal, in ms."),
  "cors.origins": setting(
    list(origin, { plural: "origins", itemsMax: 256 }),
    [],
    "Origins whose pages may call the edge, each exactly as the browser or app shell sends it: `https://app.example`, `capacitor://localhost`, `app://-`. There are no patterns. None by default; `*` lets every page in, which is safe as far as requests are signed and no cookie counts.",
  ),
  "cors.max_age_seconds": setting(
    int("seconds", 0, 86_400),
    7200,
    "How long a browser may remember the answer to a preflight, in seconds.",
  ),
  "reflection.enabled": setting(
    boolean,
    false,
    "Whether gRPC server reflection is served, for grpcurl and the like. It shows the contract, which is public anyway; on in `dev`.",
  ),
  "admin.listen": setting(
    listen,
    "127.0.0.1:8082",
    "Address of the listener for health and metrics. Keep it where only your own machines reach it.",
  ),
  "admin.hosts": setting(
    list(hostName, { plural: "host names", itemsMax: 256 }),
    [],
    "Names under which the admin listener may be asked, and in `dev` the embedded backend. Literal addresses and `localhost` always work; every other `Host` is refused, so that no web page reaches them by DNS rebinding. Name yours if you scrape or probe by name.",
  ),
  trusted_proxies: setting(
    list(cidr, { plural: "addresses and CIDR ranges", itemsMax: 256 }),
    [],
    "Proxies (addresses or CIDR ranges) who are believed about whom they speak for. Set it to your load balancer's addresses, else every client shares the balancer's budgets.",
  ),
  trusted_proxies_header: setting(
    choice("x-forwarded-for", "forwarded"),
    "x-forwarded-for",
    "The header in which trusted proxies say it: `x-forwarded-for`, or `forwarded` (RFC 7239). The one that yours write; the other is not read, since a proxy passes on whatever a client put there.",
  ),

  "backend.url": unset(
    httpUrl,
    "Base URL of the backend's REST interface. `serve` needs it; `dev` and `demo` set it themselves.",
  ),
  "backend.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    5000,
    "Longest wait for the backend's answer to a command, in ms. A route's own `timeout_ms` takes its place.",
  ),
  "backend.session_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    2000,
    "Longest wait for a session look-up, in ms. Every uncached request waits for one, so keep it short.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Largest answer of the backend that is passed on, in bytes. Raise it if your routes return more.",
  ),
  "backend.token": secret(
    header,
    "Sent to the backend as `Authorization: Bearer …`, so that it can tell the gateway from others. None: no such header.",
  ),

  "push.url": unset(
    httpUrl,
    "Base URL of the backend's `sallyport.v1.Push` service. `serve` needs it; `dev` and `demo` set it themselves.",
  ),
  "push.protocol": setting(
    choice("grpc", "connect", "grpc-web"),
    "grpc",
    "Protocol of the push feed: `grpc`, `connect` or `grpc-web`. Change it if a proxy on the way to the backend cannot carry gRPC.",
  ),
  "push.gateway_id": unset(
    name,
    "How this gateway names itself to the backend. Default: the host name. Set it where host names change with every start.",
  ),
  "push.backoff_min_ms": setting(delay, 100, "Shortest delay before the push feed reconnects, in ms."),
  "push.backoff_max_ms": setting(
    delay,
    5000,
    "Longest delay before the push feed reconnects, in ms. Raise it to spare a backend with many gateways.",
  ),
  "push.grace_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "How long the session cache is still trusted while the push feed, which carries revocations, is down, in ms. Lower it to see revocations sooner, at the price of more look-ups.",
  ),

  "push.ping_ms": setting(
    int("ms", 10, 3_600_000),
    310_000,
    "How long the push feed's connection may be quiet before the gateway sends an HTTP/2 PING, in ms; the first two after a sign of life come within 10 s. A backend that leaves a PING unanswered for 5 s is dead. gRPC servers by default refuse PINGs more often than every 5 minutes (`too_many_pings`): lower it only together with the server's minimum.",
  ),
  "push.silence_ms": setting(
    int("ms", 0, 3_600_000),
    0,
    "How long the push feed may bring nothing, in ms; then it is taken for dead, and connected anew. 0: for ever. Set it to twice your backend's keepalive interval and more, if something in between answers HTTP/2 pings in its place, as proxies do.",
  ),

  ...STREAM_SETTINGS,

  routes: setting(
    routes,
    [],
    "The route table, one entry a message type: `message_type`, `method`, `path` under `/api/v1/user/` (with `{placeholders}` filled from the payload), and optionally `timeout_ms` and, for each user, `budget = { rate, burst }` (with `shadow = true` in shadow mode). In TOML `[[routes]]`; as a variable, JSON.",
  ),

  "keys.current": secret(
    seed,
    "Seed of the key that signs responses and events: base64 of 32 bytes. `sallyport keygen` makes one.",
  ),
  "keys.next": secret(seed, "Seed of the key that will sign next, published ahead of its use so that clients know it in time."),
  "keys.previous": secret(seed, "Seed of the key that signed before, published until clients no longer meet its signatures."),
  "keys.current_file": unset(filePath, "File that holds the current seed, instead of `keys.current`; for mounted secrets."),
  "keys.next_file": unset(filePath, "File that holds the next seed, instead of `keys.next`."),
  "keys.previous_file": unset(filePath, "File that holds the previous seed, instead of `keys.previous`."),

  "limits.payload_bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    "Largest `payload_bytes` of a request, in bytes.",
  ),
  "limits.request_bytes_max": setting(
    int("bytes", 8 * KiB, 32 * MiB),
    512 * KiB,
    "Largest request body, in bytes, after decompression too. At least 4/3 of `limits.payload_bytes_max` (base64 in JSON) and 4096 for the envelope.",
  ),

  ...CONNECTION_SETTINGS,

  "freshness.window_ms": setting(
    int("ms", 1000, 3_600_000),
    60_000,
    "How far a request's timestamp may be from the gateway's clock, either way, in ms. Widen it for devices with poor clocks; `replay.entries_max` must then hold more.",
  ),
  "freshness.margin_ms": setting(
    int("ms", FRESHNESS_MARGIN_MS_MIN, 600_000),
    5000,
    "How much longer than the window a request id is remembered, in ms. More than gateways' clocks can differ, or step back; steps of half a second and more are logged.",
  ),
  "replay.entries_max": setting(
    entries,
    1_000_000,
    "Request ids remembered at a time. Full means that requests are refused, so hold more than the requests of two windows and a margin.",
  ),
  "buckets.entries_max": setting(
    entries,
    1_000_000,
    "Token buckets kept at a time for verified callers, and as many for all others; a bucket that is full again is forgotten. Raise it with the number of clients at once.",
  ),

  ...STORE_SETTINGS,

  "session_cache.ttl_ms": setting(
    int("ms", 0, 3_600_000),
    30_000,
    "How long a session is served from the cache, in ms; 0 turns the cache off. Revocations empty it at once; the TTL bounds what a lost one costs.",
  ),
  "session_cache.unknown_ttl_ms": setting(
    int("ms", 0, 3_600_000),
    2000,
    "How long an unknown session id is remembered as such, in ms. Short, so that a session can be used right after its login.",
  ),
  "session_cache.entries_max": setting(
    entries,
    100_000,
    "Sessions in the cache at most. Raise it above the number of sessions active at once.",
  ),

  ...BUDGET_SETTINGS,

  "shutdown.deadline_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Longest time that a stop may take, in ms; then what is still under way is cut. Below your supervisor's own deadline.",
  ),
  "log.level": setting(
    choice("debug", "info", "warn", "error"),
    "info",
    "The least level that is logged: `debug`, `info`, `warn` or `error`.",
  ),
  "log.format": setting(
    choice("json", "pretty"),
    "json",
    "`json`: one object a line, for machines. `pretty`: for people at a terminal.",
  ),

  "dev.backend_listen": setting(
    listen,
    "127.0.0.1:8083",
    "`dev` and `demo` only: where the embedded backend's REST interface listens.",
  ),
  "dev.push_listen": setting(
    listen,
    "127.0.0.1:8084",
    "`dev` and `demo` only: where the embedded backend's push service listens.",
  ),
  "dev.database": setting(
    text('":memory:" or a file path', /^\P{Cc}{1,4096}$/u),
    ":memory:",
    "`dev` and `demo` only: the embedded backend's SQLite database, a file or `:memory:`. A file keeps users and sessions over restarts.",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type ConfigKey = keyof typeof SCHEMA;

/** The configuration, resolved and checked: every key of the table, flat. */
export type Config = {
  readonly [K in ConfigKey]: (typeof SCHEMA)[K] extends Setting<infer T> ? T : never;
};

// Object.keys forgets the key type that the table, being a constant, has.
export const CONFIG_KEYS = Object.keys(SCHEMA) as readonly ConfigKey[];

export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(SCHEMA, key);
}

/** The environment variable of a key. */
export function variableOf(key: ConfigKey): string {
  return `SALLYPORT_${key.toUpperCase().replaceAll(".", "_")}`;
}
