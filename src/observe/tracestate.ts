/**
 * Maximum number of members in a `tracestate` header (W3C Trace Context 3.3). Each member is data of one tracing vendor. The
 * newest member is the first.
 */
const MEMBERS_MAX = 32;
/** Maximum length of a propagated header, in characters. Longer headers are shortened (W3C Trace Context 3.3.1.5). */
const CHARS_MAX = 512;
/**
 * If a header exceeds `CHARS_MAX`, members of more than this many characters are removed first. Then members are removed from
 * the end (W3C Trace Context 3.3.1.5).
 */
const LONG_MEMBER_CHARS = 128;

/** A valid key: a simple key, or `tenant@system` (W3C Trace Context 3.3.1.3). */
const KEY = /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})$/;
/** A valid value: printable ASCII except "," and "=", without a space at the end (W3C Trace Context 3.3.1.3.2). */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * Returns the header to propagate, at most `CHARS_MAX` long. Returns `undefined` if the header is invalid or has no members. If
 * a request has several `tracestate` fields, join them with commas first.
 */
export function parseTracestate(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const members = new Map<string, string>();
  let count = 0;
  for (const part of header.split(",")) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, "");
    if (member === "") continue;
    const split = member.indexOf("=");
    const key = member.slice(0, Math.max(split, 0));
    if (++count > MEMBERS_MAX || !KEY.test(key) || !VALUE.test(member.slice(split + 1))) return undefined;
    // If a key occurs twice, only the first member is kept, because it is the newest.
    if (!members.has(key)) members.set(key, member);
  }
  return members.size === 0 ? undefined : shortened([...members.values()]);
}

function shortened(members: string[]): string | undefined {
  while (lengthOf(members) > CHARS_MAX) {
    const long = members.findLastIndex((member) => member.length > LONG_MEMBER_CHARS);
    members.splice(long < 0 ? members.length - 1 : long, 1);
  }
  return members.length === 0 ? undefined : members.join(",");
}

function lengthOf(members: readonly string[]): number {
  return members.reduce((sum, member) => sum + member.length, members.length - 1);
}
