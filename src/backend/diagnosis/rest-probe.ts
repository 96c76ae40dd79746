import { isJsonType, parseJsonObject, utf8Text } from "../../core/json-body.ts";
import { certificateProblem } from "./certificate-problem.ts";
import { type ProbeTls, type ServerFacts, serverFacts } from "./server-facts.ts";

export interface RestProbeOptions {
  /** The base URL of one upstream. */
  readonly url: string;
  /** The setting that contains the URL, such as `backend.url` or `upstreams[1].url`. */
  readonly urlSetting: string;
  /** The setting that contains the token of the gateway. */
  readonly tokenSetting: string;
  /** The path of a session look-up for a session that does not exist. */
  readonly lookUpPath: string;
  /** The value of the header `Authorization`. */
  readonly authorization: string | undefined;
  readonly timeoutMs: number;
  readonly tls?: ProbeTls | undefined;
}

export interface RestProbe {
  /** What is wrong, and what to change. `undefined` if the backend answers as the contract says. */
  readonly problem: string | undefined;
  /** What may be wrong although the answer fits the contract; `undefined` if nothing is suspicious. */
  readonly doubt: string | undefined;
  /** The header `Date` of the answer, in Unix ms. */
  readonly dateMs: number | undefined;
}

const ANSWER_BYTES_MAX = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A path that no backend serves. */
const UNKNOWN_PATH = "/sallyport-config-check";

/** Sends two `GET` requests: for a session that does not exist, and for a path that does not exist. Never rejects. */
export async function probeRest(options: RestProbeOptions): Promise<RestProbe> {
  const [lookUp, unknown] = await Promise.all([ask(options.lookUpPath, options), ask(UNKNOWN_PATH, options)]);
  const dateMs = dateOf(lookUp) ?? dateOf(unknown);
  if (lookUp === undefined) return { problem: await unanswered(options), doubt: undefined, dateMs };
  const problem = problemOf(lookUp, unknown, options);
  // Many TLS servers answer 400 in plain text or HTML if they get an HTTP request without TLS.
  const isPlainToTls = lookUp.status === 400 && !isJson(lookUp);
  const hint = isPlainToTls ? await hintOf(options) : undefined;
  return { problem: hint ?? problem, doubt: isSameAnswer(lookUp, unknown) ? sameAnswer(options) : undefined, dateMs };
}

async function ask(path: string, { url, authorization, timeoutMs, tls = {} }: RestProbeOptions): Promise<Answer | undefined> {
  const { origin, pathname } = new URL(url);
  try {
    const response = await fetch(origin + pathname.replace(/\/+$/, "") + path, {
      headers: { accept: "application/json", ...(authorization !== undefined && { authorization }) },
      redirect: "manual",
      proxy: false,
      signal: AbortSignal.timeout(timeoutMs),
      tls: Object.fromEntries(Object.entries(tls).filter(([, pem]) => pem !== undefined)),
    });
    return { status: response.status, headers: response.headers, body: await bodyOf(response) };
  } catch {
    return undefined;
  }
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX) break;
  }
  return Buffer.concat(chunks);
}

function dateOf(answer: Answer | undefined): number | undefined {
  const dateMs = Date.parse(answer?.headers.get("date") ?? "");
  return Number.isNaN(dateMs) ? undefined : dateMs;
}

function isJson({ headers, body }: Answer): boolean {
  return isJsonType(headers.get("content-type")) && parseJsonObject(utf8Text(body)) !== undefined;
}

function problemOf(lookUp: Answer, unknown: Answer | undefined, options: RestProbeOptions): string | undefined {
  const { authorization, urlSetting, tokenSetting } = options;
  const { status, headers } = lookUp;
  if (status === 404 && isJson(lookUp)) return undefined;
  if (status === 401 || status === 403) {
    return authorization === undefined
      ? `it asks for a token (HTTP ${status}); set ${tokenSetting}`
      : `it refuses the gateway's token (HTTP ${status}); compare ${tokenSetting} with what the backend expects`;
  }
  if (status >= 300 && status < 400)
    return `it redirects to ${targetOf(headers)} (HTTP ${status}); write the final address in ${urlSetting}`;
  if (isHtml(lookUp) && (unknown === undefined || isHtml(unknown))) {
    return `it answers with an HTML page (HTTP ${status}); ${urlSetting} must name the backend's REST interface, not a web site or a proxy's login page`;
  }
  if (status >= 500) return `the session look-up failed (HTTP ${status}); look into the backend's log`;
  const expected = "expected 404 with a JSON object for a session that does not exist";
  if (status === 404)
    return `the session look-up answers 404 without a JSON object, ${expected}; correct backend.session_path, or a path in ${urlSetting}`;
  return `the session look-up answers HTTP ${status}, ${expected}`;
}

function sameAnswer({ urlSetting }: RestProbeOptions): string {
  return `the look-up of an unknown session gets the same answer as a path that does not exist (${UNKNOWN_PATH}); are backend.session_path and the path of ${urlSetting} right?`;
}

/**
 * Whether both answers are equal. The path of the look-up may then be wrong, because many frameworks answer each unknown path with
 * the same 404 in JSON.
 */
function isSameAnswer(one: Answer, other: Answer | undefined): boolean {
  return other !== undefined && one.status === other.status && Buffer.from(one.body).equals(other.body);
}

function isHtml({ headers }: Answer): boolean {
  return headers.get("content-type")?.startsWith("text/html") === true;
}

/** Returns only the origin of the URL in `Location`, because the rest of this URL may contain secrets. */
function targetOf(headers: Headers): string {
  return URL.parse(headers.get("location") ?? "")?.origin ?? "another path";
}

async function unanswered(options: RestProbeOptions): Promise<string> {
  return (await hintOf(options)) ?? `it does not answer HTTP/1.1 within ${options.timeoutMs} ms; look into the backend's log`;
}

async function hintOf({ url, urlSetting, timeoutMs, tls }: RestProbeOptions): Promise<string | undefined> {
  const facts = await serverFacts(url, { timeoutMs, tls });
  if (facts.unreachable !== undefined) return unreachableText(facts.unreachable, urlSetting);
  return url.startsWith("https:") ? hintForTls(facts, urlSetting) : hintForPlain(facts, urlSetting);
}

function swapped(urlSetting: string): string {
  return `is it the push service, and are ${urlSetting} and push.url swapped?`;
}

function hintForTls({ tls, speaksHttp1, speaksH2c }: ServerFacts, urlSetting: string): string | undefined {
  if (tls === undefined) {
    if (speaksHttp1) return `it does not use TLS; write http:// instead of https:// in ${urlSetting}`;
    return speaksH2c
      ? `it speaks only HTTP/2, and without TLS; ${swapped(urlSetting)}`
      : "it does not answer the TLS handshake; is the port right?";
  }
  if (tls.problem !== undefined) return certificateProblem(tls.problem, "backend.ca_file");
  return tls.alpn === "h2" ? `it offers only HTTP/2 over TLS; ${swapped(urlSetting)}` : undefined;
}

function hintForPlain({ tls, speaksHttp1, speaksH2c }: ServerFacts, urlSetting: string): string | undefined {
  if (tls !== undefined) return `it uses TLS; write https:// instead of http:// in ${urlSetting}`;
  if (speaksHttp1) return undefined;
  return speaksH2c
    ? `it speaks only HTTP/2; ${swapped(urlSetting)}`
    : "it accepts connections, but does not speak HTTP; is the port right?";
}

/** Describes why no connection is possible. `code` is the system's error code. */
export function unreachableText(code: string, setting: string): string {
  if (code === "ECONNREFUSED") return `no server listens there (ECONNREFUSED); start it, or correct ${setting}`;
  if (/ENOTFOUND|EAI_/.test(code)) return `its host name cannot be resolved (${code}); correct ${setting}, or the name server`;
  if (code === "TIMEOUT") return `it accepts no connection in time; correct ${setting}, or open the firewall`;
  return `it cannot be reached (${code}); correct ${setting}, or the network`;
}
