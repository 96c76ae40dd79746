/**
 * Bun.serve's `request.url` has no origin (`/path?query`) if Host is missing or not valid in a URL. `new URL()` throws on it.
 */
const ORIGIN = /^https?:\/\/[^/?#]*/;

/** The path as normalised by the runtime. It may differ from the target as received (exact-app.ts). */
export function pathOf(url: string): string {
  return withoutFragment(url).replace(ORIGIN, "").split("?", 1)[0] ?? "";
}

/** The query without its question mark; empty if there is none. */
export function queryOf(url: string): string {
  const bare = withoutFragment(url);
  const at = bare.indexOf("?");
  return at < 0 ? "" : bare.slice(at + 1);
}

function withoutFragment(url: string): string {
  return url.split("#", 1)[0] ?? "";
}
