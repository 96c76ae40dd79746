import { isIP } from "node:net";

/** Thrown if a request may come from a web page of another site. The message is sent to the client. */
export class ForeignPageError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "ForeignPageError";
  }
}

/** Matches a host with an optional port (RFC 9110 7.2). An IPv6 address is in brackets, with an optional zone (RFC 6874). */
const AUTHORITY = /^(?:\[([^[\]%]+)(?:%[\w.~%-]+)?\]|([A-Za-z0-9._-]+))(?::\d{0,5})?$/;
/**
 * The accepted values of Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/): `same-origin` for a page of this listener, and
 * `none` for a URL that the user entered.
 */
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/**
 * Refuses requests of foreign web pages. It protects a listener without authentication.
 *
 * - By DNS rebinding, an attacker can point a domain name at this listener. So the Host must be a name that no attacker can
 *   own: an IP address, `localhost` or a configured name.
 * - `Origin` and `Sec-Fetch-Site` show whether a page of another origin sent the request. No page can forge these headers.
 */
export class PageGuard {
  readonly #names: ReadonlySet<string>;

  /** `names`: the accepted host names, without ports. `localhost` is always accepted. */
  constructor(names: readonly string[]) {
    this.#names = new Set(["localhost", ...names.map(canonicalName)]);
  }

  /** Throws `ForeignPageError` if the Host is unknown, or if the request comes from a page of another origin. */
  check(headers: Headers): void {
    const host = headers.get("host");
    // HTTP/1.0 requests, such as the probes of load balancers, may lack a Host. Browsers always send one.
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

/**
 * Whether an Origin header has the same host and port as the Host header. The scheme is ignored, because it differs behind a
 * TLS proxy.
 */
function isOriginOf(origin: string, host: string | null): boolean {
  const url = URL.parse(origin);
  if (host === null || url === null || !/^https?:$/.test(url.protocol) || url.origin !== origin) return false;
  return URL.parse(`${url.protocol}//${host}`)?.host === url.host;
}

/** Returns the name in lower case, without the trailing dot of the DNS root. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
