import type { JsonValue } from "@bufbuild/protobuf";
import { member, numberMember } from "../client/json.ts";
import { rowsText } from "../config/row-changes.ts";
import { type AdminAnswer, adminUrl, postAdmin, runAdminCommand } from "./admin-request.ts";
import { helpOf } from "./arguments/help.ts";
import { EXIT } from "./exit-code.ts";
import { printableLine, printProblems } from "./output/printable.ts";
import { RELOAD } from "./specs/reload.ts";

export const HELP = helpOf(RELOAD);

/** `sallyport reload`: lets a running gateway read its configuration again, and prints what changed. */
export function run(args: readonly string[]): Promise<number> {
  return runAdminCommand(RELOAD, args, "1m", async (parsed, timeoutMs) =>
    report(await postAdmin(adminUrl(parsed, "/reload"), timeoutMs, "the reload", {})),
  );
}

function report(answer: AdminAnswer | string): number {
  if (typeof answer !== "string" && answer.httpStatus === 200 && answer.status === "reloaded") {
    for (const line of changesOf(answer.body)) console.log(printableLine(line));
    return EXIT.done;
  }
  const problems = typeof answer === "string" ? [answer] : [`reload ${answer.status}`, ...answer.reasons];
  printProblems(problems);
  return EXIT.failed;
}

function changesOf(body: JsonValue | undefined): string[] {
  const [changed, waiting] = [textsOf(member(body, "changed")), textsOf(member(body, "needs_restart"))];
  return [
    `reloaded: generation ${numberMember(body, "generation")}`,
    `changed: ${changed.join(" ") || "nothing"}`,
    ...tablesOf(member(body, "rows")),
    ...(waiting.length > 0 ? [`waits for a restart: ${waiting.join(" ")}`] : []),
  ];
}

/** Returns one line for each table, such as `routes: +chat.send -chat.drop ~chat.read(path)`. */
function tablesOf(rows: JsonValue | undefined): string[] {
  return entriesOf(rows).map(([table, changes]) => {
    const changed = entriesOf(member(changes, "changed")).map(([row, fields]) => [row, textsOf(fields)] as const);
    const [added, removed] = [textsOf(member(changes, "added")), textsOf(member(changes, "removed"))];
    return `${table}: ${rowsText({ added, removed, changed: Object.fromEntries(changed) })}`;
  });
}

function entriesOf(value: JsonValue | undefined): [string, JsonValue][] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function textsOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
