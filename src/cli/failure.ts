import { ConfigError } from "../config/problem.ts";
import { messageOf } from "../core/cause.ts";
import { ListenError } from "../core/listen.ts";
import { StoreError, TlsFilesError, UpgradeError, WorkerError } from "../core/start-error.ts";

/** For each listener name in a `ListenError`: the setting that contains the address of the listener. */
const LISTEN_SETTINGS: Readonly<Record<string, string>> = {
  "the edge": "edge.listen",
  "the gRPC listener": "grpc.listen",
  "the admin listener": "admin.listen",
  "the embedded backend's REST API": "dev.backend_listen",
  "the embedded backend's push feed": "dev.push_listen",
};

/**
 * Prints the error and returns the exit code:
 * - 2 if the configuration or the command line is wrong;
 * - 1 for any other failure. An unexpected error is printed with its stack.
 *
 * `inUse` is added to the printed message if the port of a listener is in use.
 */
export function reportFailure(error: unknown, inUse = ""): number {
  const setting = error instanceof ListenError ? LISTEN_SETTINGS[error.what] : undefined;
  const why = error instanceof ListenError && error.code === "EADDRINUSE" ? inUse : "";
  const elsewhere = setting === undefined ? "" : `; to use another address, --set ${setting}=HOST:PORT`;
  console.error(`sallyport: ${messageOf(error)}${why}${elsewhere}`);
  if (error instanceof ConfigError || error instanceof TlsFilesError) return 2;
  if (error instanceof WorkerError) return error.isConfigError ? 2 : 1;
  if ([ListenError, StoreError, UpgradeError].some((kind) => error instanceof kind)) return 1;
  if (error instanceof Error && error.stack !== undefined) console.error(error.stack);
  return 1;
}
