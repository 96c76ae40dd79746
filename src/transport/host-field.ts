/**
 * A reg-name without commas, an IPv4 address, or an IPv6 address in brackets (RFC 3986 3.2.2), with or without a zone; then a port, which
 * may be empty.
 */
const HOST = /^(?:\[[0-9A-Fa-f:.]+(?:%[\w.~%-]+)?\]|(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})*)(?::\d{0,5})?$/;

/**
 * Whether a request's Host is valid (RFC 9112 3.2): one field, or none in HTTP/1.0. An empty value is valid. A value with a comma is
 * invalid, though RFC 3986 allows it in a name: `fetch` joins several Host fields with commas.
 */
export function isHostField(value: string | null): boolean {
  return value === null || HOST.test(value);
}

/**
 * Whether an HTTP/2 request names one valid host (RFC 9113 8.3.1): by `:authority`, by Host, or by both if they are equal. Names ignore
 * case (RFC 3986 3.2.2).
 */
export function isOneHost(authority: string | undefined, host: string | undefined): boolean {
  if (!isHostField(authority ?? null) || !isHostField(host ?? null)) return false;
  return authority === undefined || host === undefined || authority.toLowerCase() === host.toLowerCase();
}
