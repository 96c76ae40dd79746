import { numberMember, textMember } from "../client/json.ts";
import { type AdminAnswer, adminUrl, askAdmin } from "./admin-request.ts";
import { parseDuration } from "./arguments/duration.ts";
import { helpOf } from "./arguments/help.ts";
import { parseArguments } from "./arguments/parse.ts";
import { UsageError } from "./arguments/usage-error.ts";
import { EXIT } from "./exit-code.ts";
import { reportFailure } from "./failure.ts";
import { printableLine } from "./output/printable.ts";
import { UPGRADE } from "./specs/upgrade.ts";

export const HELP = helpOf(UPGRADE);

/** `sallyport upgrade`: asks a running gateway to replace its process, and prints the outcome. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseArguments(UPGRADE, args);
    const timeoutMs = parseDuration("timeout", parsed.value("timeout") ?? "5m");
    const url = adminUrl(parsed, "/upgrade");
    const headers = { "content-type": "application/json" };
    return report(
      await askAdmin(url, timeoutMs, {
        method: "POST",
        headers,
        body: JSON.stringify(parsed.has("workers") ? { workers: true } : {}),
      }),
    );
  } catch (error) {
    if (!(error instanceof UsageError)) return reportFailure(error);
    console.error(`sallyport: ${error.message}; see sallyport upgrade --help`);
    return EXIT.usage;
  }
}

function report(answer: AdminAnswer | string): number {
  const done = typeof answer === "string" || answer.httpStatus !== 200 ? undefined : successOf(answer);
  if (done !== undefined) {
    console.log(printableLine(done));
    return EXIT.done;
  }
  const problem = typeof answer === "string" ? answer : [`upgrade ${answer.status}`, ...answer.reasons].join(": ");
  console.error(`sallyport: ${printableLine(problem)}`);
  return EXIT.failed;
}

function successOf({ status, body }: AdminAnswer): string | undefined {
  if (status === "workers replaced") return `workers replaced: ${numberMember(body, "workers")}`;
  if (status !== "upgraded") return undefined;
  return `upgraded: process ${numberMember(body, "pid")}, version ${textMember(body, "version")}`;
}
