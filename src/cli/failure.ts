import { ConfigError } from "../config/config-error.ts";
import { ListenError, TlsFilesError } from "../core/listen.ts";
import { StoreError } from "../core/store-error.ts";

/** Exit codes: 1, it could not be done here and now; 2, it was asked for wrongly. What is not known to be either shows its stack. */
export function reportFailure(error: unknown): number {
  const elsewhere = error instanceof ListenError ? "; for another address, see --set edge.listen=HOST:PORT and its like" : "";
  console.error(`sallyport: ${error instanceof Error ? error.message : String(error)}${elsewhere}`);
  if (error instanceof ConfigError || error instanceof TlsFilesError) return 2;
  if (error instanceof ListenError || error instanceof StoreError) return 1;
  if (error instanceof Error && error.stack !== undefined) console.error(error.stack);
  return 1;
}
