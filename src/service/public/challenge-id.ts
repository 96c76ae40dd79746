/** RFC 3986 2.3, "unreserved": nothing that a parser skips, unwraps or decodes. */
const OPAQUE = /^[A-Za-z0-9._~-]{1,128}$/;
/** RFC 9562 4, in lower case. */
const CANONICAL_UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Go (google/uuid) ignores what surrounds a UUID, SQL Server what follows it. */
const HOLDS_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/** Java's `UUID.fromString`: five groups of any length; older ones are cut to size, and leading zeros may be left out. */
const FIVE_HEX_GROUPS = /^[0-9a-f]+(?:-[0-9a-f]+){4}$/i;
/** 32 characters besides hyphens: PostgreSQL takes hyphens or none; Python and .NET take `_` and `0x` too. */
const HYPHENLESS_UUID = /^[0-9a-fx_]{32}$/i;

/**
 * The key of a challenge's budget; `undefined` where the id breaks the contract's rule.
 *
 * A backend may parse its ids as UUIDs, and each parser takes spellings of its own. So of all that some parser reads as a UUID, only the
 * canonical spelling passes. Other ids are opaque; those that differ only as a backend's collation or number parser may overlook share a
 * budget: in case, in punctuation, in leading zeros, in Crockford's look-alikes (ULID).
 */
export function challengeKey(id: string): string | undefined {
  if (CANONICAL_UUID.test(id)) return id;
  if (!OPAQUE.test(id) || isReadAsUuid(id)) return undefined;
  const bare = id.toLowerCase().replace(/[^a-z0-9]/g, "");
  return bare
    .replaceAll("o", "0")
    .replace(/[il]/g, "1")
    .replace(/^0+(?=.)/, "");
}

function isReadAsUuid(id: string): boolean {
  return HOLDS_UUID.test(id) || FIVE_HEX_GROUPS.test(id) || HYPHENLESS_UUID.test(id.replaceAll("-", ""));
}
