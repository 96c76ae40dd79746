import type { JsonValue } from "@bufbuild/protobuf";
import { member, parseJson, textMember } from "../client/json.ts";
import { loadConfig } from "../config/load.ts";
import { messageOf } from "../core/cause.ts";
import { localUrl } from "../core/listen.ts";
import { parseDuration } from "./arguments/duration.ts";
import { helpOf } from "./arguments/help.ts";
import { type Arguments, parseArguments } from "./arguments/parse.ts";
import { settingsOf } from "./arguments/settings.ts";
import { UsageError } from "./arguments/usage-error.ts";
import { EXIT } from "./exit-code.ts";
import { reportFailure } from "./failure.ts";
import { printableLine } from "./output/printable.ts";
import { HEALTH } from "./specs/health.ts";

export const HELP = helpOf(HEALTH);

/** Maximum size of an answer that is read, in bytes. Every answer of a gateway is shorter. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** The values of `status` for a gateway that is alive (`ok`) or ready (`ready`). */
const GOOD = ["ok", "ready"];

/** `sallyport health`: asks the admin listener of a gateway, and prints its status. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseArguments(HEALTH, args);
    const timeoutMs = parseDuration("timeout", parsed.value("timeout") ?? "3s");
    return await report(checkedUrl(parsed), timeoutMs);
  } catch (error) {
    if (!(error instanceof UsageError)) return reportFailure(error);
    console.error(`sallyport: ${error.message}; see sallyport health --help`);
    return EXIT.usage;
  }
}

async function report(url: URL, timeoutMs: number): Promise<number> {
  const problem = await problemAt(url, timeoutMs).catch((error: unknown) => {
    const isTimeout = error instanceof Error && error.name === "TimeoutError";
    return isTimeout ? `no answer from ${url.origin} in time` : `no answer from ${url.origin}: ${messageOf(error)}`;
  });
  if (problem === undefined) return EXIT.done;
  console.error(`sallyport: ${printableLine(problem)}`);
  return EXIT.failed;
}

/** Returns the URL to ask. Throws `UsageError` or `ConfigError`. */
function checkedUrl(parsed: Arguments): URL {
  const path = parsed.has("ready") ? "/readyz" : "/healthz";
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

/** If the gateway is alive or ready, prints its status and returns `undefined`. Otherwise, returns the problem. */
async function problemAt(url: URL, timeoutMs: number): Promise<string | undefined> {
  // Ignores the proxy of the environment: a proxy must not see a request to the admin listener.
  const response = await fetch(url, { redirect: "manual", proxy: false, signal: AbortSignal.timeout(timeoutMs) });
  const answer = parseJson(await textOf(response));
  const status = textMember(answer, "status");
  if (status === undefined) return `the server at ${url.origin} is not the admin listener of a gateway`;
  if (!GOOD.includes(status)) return [status, ...reasonsOf(answer)].join("; ");
  if (response.status !== 200) return `${status}, with HTTP status ${response.status}`;
  console.log(status);
  return undefined;
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
