import { member, textMember } from "../../client/json.ts";
import { getJson, RestError } from "../../client/rest.ts";
import type { ClientContext } from "../client-command.ts";
import { printableLine } from "../output/printable.ts";
import { noGateway } from "./failure-report.ts";

/**
 * Fetches the key set of the gateway. Rejects with `CommandFailure` if the server at the URL is no gateway.
 *
 * A backend serves the same login calls as a gateway. Without this check, a login with the URL of a backend would succeed, and
 * every later call would fail.
 */
export async function checkGateway({ url, fetch, signal }: ClientContext): Promise<void> {
  try {
    const keys = member(await getJson(new URL("/.well-known/jwks.json", url).href, { fetch, signal }), "keys");
    const hasKey = Array.isArray(keys) && keys.some((key) => textMember(key, "kid") !== undefined);
    if (!hasKey) throw noGateway("its key set has no keys", url);
  } catch (error) {
    if (!(error instanceof RestError) || !isMissing(error.status)) throw error;
    throw noGateway(printableLine(`no key set: ${error.message}`), url);
  }
}

/** Returns true if the status means that the server has no key set. Returns false for a temporary failure (408, 429 or 5xx). */
function isMissing(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
