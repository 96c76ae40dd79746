import type { DeviceKey, KeyAlgorithm } from "../client/device-key.ts";
import { confirmEmailCode, login, sendEmailCode } from "../client/login.ts";
import { RestError } from "../client/rest.ts";
import { helpOf } from "./arguments/help.ts";
import type { Arguments } from "./arguments/parse.ts";
import { UsageError } from "./arguments/parse.ts";
import { type ClientContext, runClientCommand } from "./client-command.ts";
import { CommandFailure, EXIT, type ExitCode } from "./exit-code.ts";
import { printableLine } from "./output/printable.ts";
import { type PathLoginCall, pathLoginOf } from "./path-login.ts";
import { deviceKeyOf, keyIdOf, newPrivateJwk } from "./profile/device-key-file.ts";
import type { Login, PendingLogin } from "./profile/profile.ts";
import { LineReader, Prompt } from "./prompt.ts";
import { loginCommand, requiredAlgorithm } from "./session/failure-report.ts";
import { checkGateway } from "./session/gateway-check.ts";
import { DEFAULT_URL, isReadableByOthers, parseGatewayUrl } from "./session/gateway-url.ts";
import { LOGIN } from "./specs/login.ts";

export const HELP = helpOf(LOGIN);

/** After this many wrong codes, the command fails. */
const CODES_MAX = 3;
const ALGORITHMS: readonly KeyAlgorithm[] = ["EdDSA", "ES256"];

interface LoginRequest {
  readonly args: Arguments;
  readonly algorithm: KeyAlgorithm;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** `sallyport login`: logs in and stores the session with its key. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(LOGIN, args, async (context, parsed) => {
    const request = checked(parsed);
    const call = await pathLoginOf(parsed, context.signal);
    if (call !== undefined) return logInByPath(context, request, call);
    const reader = new LineReader(context.signal);
    try {
      return await logIn(context, request, reader);
    } finally {
      await reader.close();
    }
  });
}

/** Logs in without an e-mail code, for example as a guest. */
async function logInByPath(context: ClientContext, request: LoginRequest, call: PathLoginCall): Promise<ExitCode> {
  const { algorithm, metadata } = request;
  const { fetch, signal } = context;
  const url = await chosenUrl(context, request);
  context.loginPath = call.path;
  const jwk = await newPrivateJwk(algorithm);
  const deviceKey = await deviceKeyOf(jwk);
  const { deviceSessionId } = await login({ baseUrl: url, ...call, deviceKey, metadata, fetch, signal });
  return keep(context, { url, email: undefined, deviceSessionId, jwk }, { algorithm, deviceKey });
}

async function logIn(context: ClientContext, request: LoginRequest, lines: LineReader): Promise<ExitCode> {
  const { args } = request;
  const isAsking = context.output.isTerminal && process.stdin.isTTY === true;
  if (args.has("challenge") || args.has("code") || (args.has("code-from-stdin") && !args.has("email"))) {
    const pending = await pendingOf(context, args);
    return complete(context, request, pending, args.value("code") ?? (await codeFrom(lines)));
  }
  const prompt = new Prompt(lines);
  const email = args.value("email") ?? (isAsking ? await prompt.ask("E-mail address") : undefined);
  if (email === undefined) throw new UsageError("--email is missing, and there is no terminal to ask at");
  const pending = await start(context, request, email);
  if (args.has("code-from-stdin")) return complete(context, request, pending, await codeFrom(lines));
  if (isAsking) return askForCode(context, request, pending, prompt);
  await context.output.record({ challenge_id: pending.challengeId, url: pending.url, email, profile: context.profile.name });
  return EXIT.done;
}

/** Checks the options against each other, before anything is sent. */
function checked(args: Arguments): LoginRequest {
  if (args.has("code") && args.has("code-from-stdin")) throw new UsageError("--code and --code-from-stdin exclude each other");
  if (args.has("email") && (args.has("code") || args.has("challenge")))
    throw new UsageError("--email starts a login, --challenge and --code complete one; use them in two steps");
  if (args.has("challenge") && !args.has("code") && !args.has("code-from-stdin"))
    throw new UsageError("--challenge needs --code or --code-from-stdin");
  const algorithm = ALGORITHMS.find((each) => each === (args.value("key-algorithm") ?? "EdDSA"));
  if (algorithm === undefined) throw new UsageError("--key-algorithm must be EdDSA or ES256");
  return { args, algorithm, metadata: metadataOf(args.values("metadata")) };
}

function metadataOf(values: readonly string[]): Readonly<Record<string, string>> | undefined {
  const entries = values.map((value): [string, string] => {
    const [, name, text] = /^([A-Za-z0-9_.-]{1,64})=(.{0,256})$/s.exec(value) ?? [];
    if (name === undefined || text === undefined) throw new UsageError("--metadata must be NAME=VALUE, such as device=laptop");
    return [name, text];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Requests an e-mail with a code, and stores the challenge in the profile. */
async function start(context: ClientContext, request: LoginRequest, email: string): Promise<PendingLogin> {
  const { metadata } = request;
  const { profile, fetch, signal } = context;
  const url = await chosenUrl(context, request);
  const { challengeId } = await sendEmailCode({ baseUrl: url, email, metadata, fetch, signal });
  const pending = { challengeId, url, email };
  await profile.savePendingLogin(pending);
  return pending;
}

/** Returns the login with the challenge id in `--challenge`. Without `--challenge`, returns the login that `--email` started. */
async function pendingOf(context: ClientContext, args: Arguments): Promise<PendingLogin> {
  const stored = await context.profile.pendingLogin();
  const challengeId = args.value("challenge") ?? stored?.challengeId;
  if (challengeId === undefined) throw new UsageError("there is no login to complete; start one with --email ADDRESS");
  const own = stored?.challengeId === challengeId ? stored : undefined;
  const given = args.value("url");
  const known = own?.url ?? (await context.profile.login())?.url ?? DEFAULT_URL;
  const url = given === undefined ? known : parseGatewayUrl(given);
  await useUrl(context, url);
  return { challengeId, url, email: own?.email ?? "" };
}

/** Resolves to the URL of the gateway: `--url`, else the URL of the profile, else `DEFAULT_URL`. */
async function chosenUrl(context: ClientContext, { args }: LoginRequest): Promise<string> {
  const given = args.value("url");
  const url = given === undefined ? ((await context.profile.login())?.url ?? DEFAULT_URL) : parseGatewayUrl(given);
  await useUrl(context, url);
  return url;
}

/** Uses the gateway at `url` for the login. Rejects if the server at this URL is not a gateway. */
async function useUrl(context: ClientContext, url: string): Promise<void> {
  context.url = url;
  await checkGateway(context);
  if (!isReadableByOthers(url)) return;
  context.output.note(`warning: ${url} is not encrypted; others on the network can read the code and use it first`);
}

async function codeFrom(lines: LineReader): Promise<string> {
  const code = await lines.next();
  if (!code) throw new UsageError("standard input holds no code");
  return code;
}

async function askForCode(
  context: ClientContext,
  request: LoginRequest,
  pending: PendingLogin,
  prompt: Prompt,
): Promise<ExitCode> {
  const { output } = context;
  output.note(`${pending.url} has sent a code to ${printableLine(pending.email)}.`);
  for (let attempt = 1; ; attempt++) {
    const code = await prompt.ask("Code");
    if (code === undefined) throw new CommandFailure(EXIT.usage, "no code was given; complete the login with --code CODE");
    try {
      return await complete(context, request, pending, code);
    } catch (error) {
      if (!(error instanceof RestError) || error.status !== 400 || attempt === CODES_MAX) throw error;
      // Another code would not help.
      if (requiredAlgorithm(error) !== undefined) throw error;
      output.note(`${output.noteStyle.bad(printableLine(error.message))}; try again`);
    }
  }
}

/** Exchanges the code for a session, and stores the session with its new key. */
async function complete(
  context: ClientContext,
  { algorithm, metadata }: LoginRequest,
  { challengeId, url, email }: PendingLogin,
  code: string,
): Promise<ExitCode> {
  const { profile, fetch, signal } = context;
  // This write comes before the code is sent, because a code works only once. If the profile's folder is not writable, the write
  // fails, and the code stays valid.
  await profile.savePendingLogin({ challengeId, url, email });
  const jwk = await newPrivateJwk(algorithm);
  const deviceKey = await deviceKeyOf(jwk);
  const options = { baseUrl: url, challengeId, code, deviceKey, metadata, fetch, signal };
  const { deviceSessionId } = await confirmEmailCode(options);
  return keep(context, { url, email: email || undefined, deviceSessionId, jwk }, { algorithm, deviceKey });
}

/** Stores the session and its new key in the profile. Prints the ids of the session and of the key. */
async function keep(
  { profile, output }: ClientContext,
  login: Login,
  { algorithm, deviceKey }: { readonly algorithm: KeyAlgorithm; readonly deviceKey: DeviceKey },
): Promise<ExitCode> {
  const replaced = await profile.login();
  await profile.saveLogin(login);
  await profile.forgetPendingLogin();
  if (replaced !== undefined)
    output.note(`The profile's previous session ${replaced.deviceSessionId} is forgotten; only the backend can revoke it.`);
  await output.record({
    profile: profile.name,
    url: login.url,
    email: login.email ?? null,
    device_session_id: login.deviceSessionId,
    key_algorithm: algorithm,
    key_id: keyIdOf(deviceKey),
    file: profile.loginPath,
  });
  if (output.isTerminal) output.note(`Logged in. Try: sallyport whoami${suffix(profile.name)}`);
  return EXIT.done;
}

function suffix(profile: string): string {
  return loginCommand(profile).slice("sallyport login".length);
}
