/**
 * Matches the origin of a URL. If the Host header is missing or is not a valid host, Bun.serve sets `request.url` to
 * `/path?query`. `new URL()` throws for such a value, so this file does not use `new URL()`.
 */
const ORIGIN = /^https?:\/\/[^/?#]*/;

/** Returns the path of a URL, as normalised by the runtime. It may differ from the path that the client sent (exact-app.ts). */
export function pathOf(url: string): string {
  return withoutFragment(url).replace(ORIGIN, "").split("?", 1)[0] ?? "";
}

/** Returns the query of a URL without its question mark; an empty string if the URL has no query. */
export function queryOf(url: string): string {
  const bare = withoutFragment(url);
  const at = bare.indexOf("?");
  return at < 0 ? "" : bare.slice(at + 1);
}

function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? "";
}
