import type { HttpCall } from "../../core/http-endpoint.ts";
import { isLoopback } from "../../core/listen.ts";
import { ForeignPageError, PageGuard } from "../../core/page-guard.ts";

/** Header fields that proxies add. */
const PROXY_FIELDS = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] as const;

/**
 * Refuses calls that do not come from this machine. The dev calls of the playground have no authentication, and the edge may be
 * reachable from other machines.
 *
 * - The peer must have a loopback address.
 * - The call must have no header field that a proxy adds.
 * - The Host must be present, and must be an IP address or `localhost`. Other names may point to this machine by DNS rebinding.
 * - The call must not come from a page of another origin (`PageGuard`).
 */
export class OwnPageGuard {
  readonly #pages = new PageGuard([]);

  /** Throws `ForeignPageError` if the call is refused. */
  check({ request: { headers }, peer }: Pick<HttpCall, "request" | "peer">): void {
    if (!isLoopback(peer.address)) throw new ForeignPageError("only this machine is served");
    if (PROXY_FIELDS.some((name) => headers.has(name))) throw new ForeignPageError("calls through a proxy are not served");
    if (!headers.get("host")) throw new ForeignPageError("the Host is missing");
    this.#pages.check(headers);
  }
}
