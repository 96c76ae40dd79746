/** Matches 1 to 128 "unreserved" characters (RFC 3986 2.3). Every parser of ids keeps these characters unchanged. */
const OPAQUE = /^[A-Za-z0-9._~-]{1,128}$/;
/** Matches a UUID (RFC 9562 4) in lower case. */
const CANONICAL_UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Matches text that contains a UUID. Some parsers ignore the characters around a UUID (google/uuid for Go) or after it (SQL
 * Server).
 */
const CONTAINS_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/**
 * Matches five groups of hexadecimal digits, whatever their lengths are. Java's `UUID.fromString` accepts groups without
 * leading zeros. Older versions of Java shorten groups that are too long.
 */
const FIVE_HEX_GROUPS = /^[0-9a-f]+(?:-[0-9a-f]+){4}$/i;
/**
 * Matches a UUID from which all hyphens were removed. PostgreSQL accepts a UUID with hyphens between any groups, or without
 * hyphens. Python and .NET also accept `_` and `0x` within a UUID.
 */
const HYPHENLESS_UUID = /^[0-9a-fx_]{32}$/i;

/**
 * Returns the key of the bucket for one challenge. Returns `undefined` if the id breaks the rule of the contract.
 *
 * All spellings that a backend accepts for one challenge must get the same key. Otherwise an attacker could use a new, full
 * bucket of guesses for each spelling.
 *
 * - A backend may parse its ids as UUIDs, and UUID parsers accept several spellings. So a UUID is valid only in lower case with
 *   all hyphens.
 * - A backend may also compare other ids by a collation or as numbers, which treats different texts as equal. So two ids share
 *   a key if they differ only in case, punctuation, leading zeros or letters that look like digits (Crockford's base 32, used
 *   by ULID).
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
