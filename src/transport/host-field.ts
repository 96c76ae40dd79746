/**
 * Matches the value of a Host header: a host, then an optional port, which may be empty (RFC 3986 3.2.2, 3.2.3). The host is a registered
 * name without commas, an IPv4 address, or an IPv6 address in brackets with an optional zone.
 */
const HOST = /^(?:\[[0-9A-Fa-f:.]+(?:%[\w.~%-]+)?\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})*)(?::\d{0,5})?$/;

/**
 * Returns whether the Host header of a request is valid (RFC 9112 3.2). A request without the header (HTTP/1.0) or with an empty header is
 * valid.
 *
 * A value with a comma is invalid, although RFC 3986 allows commas in names. The reason is that `fetch` joins several Host headers with
 * commas.
 */
export function isHostField(value: string | null): boolean {
  return value === null || HOST.test(value);
}

/**
 * Returns whether an HTTP/2 request names one valid host (RFC 9113 8.3.1). If the request has both `:authority` and Host, they must be
 * equal. The comparison ignores upper and lower case (RFC 3986 3.2.2).
 */
export function isOneHost(authority: string | undefined, host: string | undefined): boolean {
  if (!isHostField(authority ?? null) || !isHostField(host ?? null)) return false;
  return authority === undefined || host === undefined || authority.toLowerCase() === host.toLowerCase();
}
