/** RFC 3986 2.3, "unreserved": no character that a parser skips, unwraps or decodes. */
const OPAQUE = /^[A-Za-z0-9._~-]{1,128}$/;
/** RFC 9562 4, in lower case. */
const CANONICAL_UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Go (google/uuid) ignores characters around a UUID; SQL Server ignores characters after it. */
const CONTAINS_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/** Java's `UUID.fromString` accepts five groups without leading zeros. Older versions truncate groups that are too long. */
const FIVE_HEX_GROUPS = /^[0-9a-f]+(?:-[0-9a-f]+){4}$/i;
/** 32 characters besides hyphens. PostgreSQL accepts hyphens between any groups or none; Python and .NET also accept `_` and `0x`. */
const HYPHENLESS_UUID = /^[0-9a-fx_]{32}$/i;

/**
 * The bucket key of a challenge's budget; `undefined` if the id breaks the contract's rule.
 *
 * Otherwise different spellings of one challenge would each get a full bucket for guesses. A backend may parse its ids as UUIDs, and
 * parsers accept different spellings: only the canonical spelling of a UUID is valid. Other ids are opaque. Ids that a backend's collation
 * or number parser may treat as equal share a bucket: they differ only in case, punctuation, leading zeros or Crockford's look-alikes
 * (ULID).
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
  return CONTAINS_UUID.test(id) || FIVE_HEX_GROUPS.test(id) || HYPHENLESS_UUID.test(id.replaceAll("-", ""));
}
