import { numberMember, textMember } from "../client/json.ts";
import { type AdminAnswer, adminUrl, postAdmin, runAdminCommand } from "./admin-request.ts";
import { helpOf } from "./arguments/help.ts";
import { EXIT } from "./exit-code.ts";
import { printableLine, printProblems } from "./output/printable.ts";
import { UPGRADE } from "./specs/upgrade.ts";

export const HELP = helpOf(UPGRADE);

/** `sallyport upgrade`: asks a running gateway to replace its process, and prints the outcome. */
export function run(args: readonly string[]): Promise<number> {
  return runAdminCommand(UPGRADE, args, "5m", async (parsed, timeoutMs) => {
    const body = parsed.has("workers") ? { workers: true } : {};
    return report(await postAdmin(adminUrl(parsed, "/upgrade"), timeoutMs, "the upgrade", body));
  });
}

function report(answer: AdminAnswer | string): number {
  const done = typeof answer === "string" || answer.httpStatus !== 200 ? undefined : successOf(answer);
  if (done !== undefined) {
    console.log(printableLine(done));
    return EXIT.done;
  }
  const problem = typeof answer === "string" ? answer : [`upgrade ${answer.status}`, ...answer.reasons].join(": ");
  printProblems([problem]);
  return EXIT.failed;
}

function successOf({ status, body }: AdminAnswer): string | undefined {
  if (status === "workers replaced") return `workers replaced: ${numberMember(body, "workers")}`;
  if (status !== "upgraded") return undefined;
  const executable = textMember(body, "executable");
  const done = `upgraded: process ${numberMember(body, "pid")}, version ${textMember(body, "version")}`;
  // Older releases do not name the executable.
  return executable === undefined ? done : `${done}, executable ${executable}`;
}
