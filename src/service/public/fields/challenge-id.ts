/** Matches 1 to 128 "unreserved" characters (RFC 3986 2.3). No parser trims, decodes or normalizes these characters. */
const OPAQUE = /^[A-Za-z0-9._~-]{1,128}$/;
/** Matches a UUID (RFC 9562 4) in lower case. */
const CANONICAL_UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Matches text that contains a UUID. Some parsers ignore other characters:
 *
 * - google/uuid for Go ignores characters around the UUID.
 * - SQL Server ignores characters after the UUID.
 */
const CONTAINS_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/**
 * Matches five groups of hexadecimal digits, of any length, with hyphens between them. Java's `UUID.fromString` accepts groups
 * without leading zeros. Older versions of Java truncate long groups.
 */
const FIVE_HEX_GROUPS = /^[0-9a-f]+(?:-[0-9a-f]+){4}$/i;
/**
 * Matches a UUID without hyphens, 32 characters long. Remove all hyphens from an id before you test it, because PostgreSQL accepts
 * a hyphen after any four digits. Python and .NET also accept `_` and `0x` between the digits.
 */
const HYPHENLESS_UUID = /^[0-9a-fx_]{32}$/i;

/**
 * Returns the key of the bucket for one challenge. Returns `undefined` if the id breaks the rule of the contract.
 *
 * If a backend accepts several spellings of an id, all of them must get the same key. Otherwise an attacker could guess codes
 * with a new, full bucket for each spelling.
 *
 * - UUIDs: UUID parsers accept several spellings. So a UUID is valid only in lower case with all hyphens.
 * - Other ids: a backend may compare them by a collation or as numbers. So ids share a key if they differ only in case,
 *   punctuation, leading zeros, or letters that look like digits (Crockford's base 32, used by ULID).
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
