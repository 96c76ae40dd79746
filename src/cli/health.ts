import { type AdminAnswer, adminUrl, askAdmin, runAdminCommand } from "./admin-request.ts";
import { helpOf } from "./arguments/help.ts";
import { EXIT } from "./exit-code.ts";
import { printableLine } from "./output/printable.ts";
import { HEALTH } from "./specs/health.ts";

export const HELP = helpOf(HEALTH);

/** The values of `status` for a gateway that is alive (`ok`) or ready (`ready`). */
const GOOD = ["ok", "ready"];

/** `sallyport health`: asks the admin listener of a gateway, and prints its status. */
export function run(args: readonly string[]): Promise<number> {
  return runAdminCommand(HEALTH, args, "3s", async (parsed, timeoutMs) => {
    const url = adminUrl(parsed, parsed.has("ready") ? "/readyz" : "/healthz");
    return report(await askAdmin(url, timeoutMs));
  });
}

function report(answer: AdminAnswer | string): number {
  const problem = typeof answer === "string" ? answer : problemOf(answer);
  if (problem !== undefined) {
    console.error(`sallyport: ${printableLine(problem)}`);
    return EXIT.failed;
  }
  if (typeof answer !== "string") console.log(answer.status);
  return EXIT.done;
}

/** Returns the error text. Returns `undefined` if `status` is in `GOOD` and the HTTP status is 200. */
function problemOf({ httpStatus, status, reasons }: AdminAnswer): string | undefined {
  if (!GOOD.includes(status)) return [status, ...reasons].join("; ");
  return httpStatus === 200 ? undefined : `${status}, with HTTP status ${httpStatus}`;
}
