import type { JsonValue } from "@bufbuild/protobuf";
import { member, parseJson, textMember } from "../client/json.ts";
import { loadConfig } from "../config/load.ts";
import { messageOf } from "../core/cause.ts";
import { localUrl } from "../core/listen.ts";
import { type Arguments, parseArguments, parseDuration, settingsOf, UsageError } from "./arguments/parse.ts";
import type { CommandSpec } from "./arguments/spec.ts";
import { EXIT } from "./exit-code.ts";
import { reportFailure } from "./failure.ts";

/** Maximum size of an answer, in bytes. A longer answer does not come from a gateway, so it counts as empty. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export interface AdminAnswer {
  readonly httpStatus: number;
  readonly status: string;
  readonly reasons: readonly string[];
  readonly body: JsonValue | undefined;
}

/**
 * Runs a command that sends one request to an admin listener. `ask` sends the request, and returns the exit code of the command.
 * `timeout`: the default of `--timeout`, such as `5m`.
 */
export async function runAdminCommand(
  spec: CommandSpec,
  args: readonly string[],
  timeout: string,
  ask: (parsed: Arguments, timeoutMs: number) => Promise<number>,
): Promise<number> {
  try {
    const parsed = parseArguments(spec, args);
    return await ask(parsed, parseDuration("timeout", parsed.value("timeout") ?? timeout));
  } catch (error) {
    if (!(error instanceof UsageError)) return reportFailure(error);
    console.error(`sallyport: ${error.message}; see sallyport ${spec.name} --help`);
    return EXIT.usage;
  }
}

/**
 * Sends a JSON body to an admin listener. Resolves to its answer, or to an error text if it gives no usable answer. `what` names
 * what the body asks for, such as `the upgrade`. The gateway continues with it if the answer comes too late.
 */
export async function postAdmin(url: URL, timeoutMs: number, what: string, body: object): Promise<AdminAnswer | string> {
  const headers = { "content-type": "application/json" };
  const answer = await askAdmin(url, timeoutMs, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer !== late(url)) return answer;
  return `${answer}: ${what} may still complete; look at the log of the gateway, or run the command again`;
}

/**
 * Returns the URL of a path on the admin listener. The origin is `--url`, or `admin.listen` in the configuration. Throws
 * `UsageError` or `ConfigError`.
 */
export function adminUrl(parsed: Arguments, path: string): URL {
  const text = parsed.value("url");
  if (text === undefined) return new URL(path, localUrl(loadConfig({ argv: settingsOf(parsed) })["admin.listen"]));
  if (parsed.has("config") || parsed.has("set"))
    throw new UsageError("--url replaces the configuration; give only one of them");
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text) || url.pathname + url.search + url.hash !== "/")
    throw new UsageError("--url must be a URL without a path, such as http://127.0.0.1:8082");
  if (url.username !== "" || url.password !== "") throw new UsageError("--url must not contain a user or a password");
  return new URL(path, url);
}

/** Sends a request to an admin listener. Resolves to its answer, or to an error text if it gives no usable answer. */
export async function askAdmin(url: URL, timeoutMs: number, init: BunFetchRequestInit = {}): Promise<AdminAnswer | string> {
  try {
    // The admin listener is in the local network. So the request must not go through a proxy for the internet.
    const options = { ...init, redirect: "manual", proxy: false, signal: AbortSignal.timeout(timeoutMs) } as const;
    const response = await fetch(url, options);
    const body = parseJson(await textOf(response));
    const status = textMember(body, "status");
    if (status !== undefined) return { httpStatus: response.status, status, reasons: reasonsOf(body), body };
    if (textMember(body, "code") === "forbidden") return textMember(body, "message") ?? "forbidden";
    return `the server at ${url.origin} is not the admin listener of a gateway`;
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === "TimeoutError";
    return isTimeout ? late(url) : `no answer from ${url.origin}: ${messageOf(error)}`;
  }
}

function late(url: URL): string {
  return `no answer from ${url.origin} in time`;
}

function reasonsOf(answer: JsonValue | undefined): string[] {
  const reasons = member(answer, "reasons");
  return Array.isArray(reasons) ? reasons.filter((reason) => typeof reason === "string") : [];
}

/** Returns the body, or an empty text if it is too long. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX) return "";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
