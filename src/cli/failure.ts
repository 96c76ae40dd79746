import { ConfigError } from "../config/problem.ts";
import { messageOf } from "../core/cause.ts";
import { ListenError, listenAdvice } from "../core/listen.ts";
import { StoreError, TlsFilesError, UpgradeError, WorkerError } from "../core/start-error.ts";

/**
 * Prints the error and returns the exit code:
 * - 2 if the configuration or the command line is wrong;
 * - 1 for any other failure. An unexpected error is printed with its stack.
 *
 * `inUse` is added to the printed message if the port of a listener is in use.
 */
export function reportFailure(error: unknown, inUse = ""): number {
  const why = error instanceof ListenError && error.code === "EADDRINUSE" ? inUse : "";
  console.error(`sallyport: ${messageOf(error)}${why}${listenAdvice(error)}`);
  if (error instanceof ConfigError || error instanceof TlsFilesError) return 2;
  if (error instanceof WorkerError) return error.isConfigError ? 2 : 1;
  if ([ListenError, StoreError, UpgradeError].some((kind) => error instanceof kind)) return 1;
  if (error instanceof Error && error.stack !== undefined) console.error(error.stack);
  return 1;
}
