/**
 * Matches the value of a Host header: a host, then optionally `:` and a port (RFC 3986 3.2.2, 3.2.3). The host and the port may
 * be empty. The host is a name without commas, an IPv4 address, or an IPv6 address in brackets with an optional zone.
 */
const HOST = /^(?:\[[0-9A-Fa-f:.]+(?:%[\w.~%-]+)?\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})*)(?::\d{0,5})?$/;

/**
 * Returns whether the Host header of a request is valid (RFC 9112 3.2). A missing header (HTTP/1.0) and an empty header are valid.
 *
 * A request with several Host headers is invalid. `fetch` joins these headers with commas. So a value with a comma is invalid here,
 * although RFC 3986 allows commas in names.
 */
export function isHostField(value: string | null): boolean {
  return value === null || HOST.test(value);
}

/**
 * Returns whether `:authority` and Host of an HTTP/2 request are valid (RFC 9113 8.3.1). If both exist, they must be equal,
 * except for upper and lower case (RFC 3986 3.2.2).
 */
export function isOneHost(authority: string | undefined, host: string | undefined): boolean {
  if (!isHostField(authority ?? null) || !isHostField(host ?? null)) return false;
  return authority === undefined || host === undefined || authority.toLowerCase() === host.toLowerCase();
}
