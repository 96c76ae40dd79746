import { isIP } from "node:net";

/** A request that a web page of somebody else's may have sent. The message is public. */
export class ForeignPageError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "ForeignPageError";
  }
}

/** RFC 9110 7.2: a host with an optional port. An IPv6 address stands in brackets, with a zone (RFC 6874) where it has one. */
const AUTHORITY = /^(?:\[([^[\]%]+)(?:%[\w.~%-]+)?\]|([A-Za-z0-9._-]+))(?::\d{0,5})?$/;
/** Fetch Metadata (https://www.w3.org/TR/fetch-metadata/): the page itself, or the person at the address bar. */
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/**
 * Keeps other people's web pages away from a listener that asks nobody who they are.
 *
 * DNS rebinding points an attacker's own name at this listener, so the Host must be one that no attacker can own: a literal address,
 * `localhost` or a configured name. A page of another origin is told by `Origin` and `Sec-Fetch-Site`, which no page can forge.
 */
export class PageGuard {
  readonly #names: ReadonlySet<string>;

  /** `names`: host names besides `localhost`, without ports. */
  constructor(names: readonly string[]) {
    this.#names = new Set(["localhost", ...names.map(canonicalName)]);
  }

  /** Throws `ForeignPageError` for a Host that is not known, and for a page of another origin. */
  check(headers: Headers): void {
    const host = headers.get("host");
    // HTTP/1.0 knows requests without Host, such as those of load balancers' probes. Browsers always send one.
    if (host !== null && host !== "" && !this.#isKnown(host)) {
      throw new ForeignPageError("the Host must be a literal address, localhost or a configured name");
    }
    const site = headers.get("sec-fetch-site");
    if (site !== null && !OWN_SITES.has(site)) throw new ForeignPageError("pages of other sites are not served");
    const origin = headers.get("origin");
    if (origin !== null && !isOriginOf(origin, host)) throw new ForeignPageError("pages of other origins are not served");
  }

  #isKnown(host: string): boolean {
    const [, ipv6, name] = AUTHORITY.exec(host) ?? [];
    if (ipv6 !== undefined) return isIP(ipv6) === 6;
    return name !== undefined && (isIP(name) === 4 || this.#names.has(canonicalName(name)));
  }
}

/** Whether a page of this origin came from this very host and port. Behind a proxy with TLS its scheme is another. */
function isOriginOf(origin: string, host: string | null): boolean {
  const url = URL.parse(origin);
  if (host === null || url === null || !/^https?:$/.test(url.protocol) || url.origin !== origin) return false;
  return URL.parse(`${url.protocol}//${host}`)?.host === url.host;
}

/** Names are compared without case, and without the dot of the root. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
