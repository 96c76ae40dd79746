/** Matches a header name in the spelling that `pass_headers` of a public route requires: in lower case. */
const HEADER_NAME = /^[a-z0-9-]{1,64}$/;

/**
 * Headers that a public route never passes to the client. They belong to the connection (RFC 9110 7.6.1), to the framing of the
 * body, to the gateway, or to the credentials between gateway and backend. Cookies never pass: requests are signed, and no cookie
 * may replace a signature.
 */
const NEVER: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "alt-svc", "via"],
  ...["content-length", "content-encoding", "content-type", "content-range", "accept-ranges", "date", "age", "vary", "server"],
  ...["set-cookie", "set-cookie2", "clear-site-data", "www-authenticate", "authentication-info", "authorization"],
  ...["retry-after", "ratelimit", "ratelimit-policy", "allow", "host", "location", "refresh", "link", "service-worker-allowed"],
  ...["strict-transport-security", "public-key-pins", "report-to", "reporting-endpoints", "nel", "x-accel-redirect"],
]);
const NEVER_PREFIX =
  /^(access-control-|proxy-|sec-|grpc-|connect-|cross-origin-|content-security-policy|x-accel-|x-forwarded-)/;

export function isHeaderName(text: string): boolean {
  return HEADER_NAME.test(text);
}

export function isPassableHeader(name: string): boolean {
  return !NEVER.has(name) && !NEVER_PREFIX.test(name);
}
