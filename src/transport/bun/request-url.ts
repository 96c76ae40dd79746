/**
 * Matches the origin of a URL. If the Host header is missing or not valid in a URL, Bun.serve's `request.url` is only `/path?query`. `new
 * URL()` would throw then, so these functions do not use it.
 */
const ORIGIN = /^https?:\/\/[^/?#]*/;

/** Returns the path, as normalised by the runtime. It may differ from the target as received (exact-app.ts). */
export function pathOf(url: string): string {
  return withoutFragment(url).replace(ORIGIN, "").split("?", 1)[0] ?? "";
}

/** Returns the query without its question mark. Without a query, returns an empty string. */
export function queryOf(url: string): string {
  const bare = withoutFragment(url);
  const at = bare.indexOf("?");
  return at < 0 ? "" : bare.slice(at + 1);
}

function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? "";
}
