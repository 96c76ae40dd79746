import { ConfigError } from "../config/config-error.ts";
import { ListenError, TlsFilesError } from "../core/listen.ts";

const ELSEWHERE =
  "For another address: --set edge.listen=127.0.0.1:9080; so, too, grpc.listen, admin.listen, dev.backend_listen, dev.push_listen.";

/** Exit codes: 1, it could not be done here and now; 2, it was asked for wrongly. What is not known to be either shows its stack. */
export function reportFailure(error: unknown): number {
  console.error(`sallyport: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof ConfigError || error instanceof TlsFilesError) return 2;
  if (error instanceof ListenError) console.error(ELSEWHERE);
  else if (error instanceof Error && error.stack !== undefined) console.error(error.stack);
  return 1;
}
