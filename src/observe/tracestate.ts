/** W3C Trace Context 3.3, the `tracestate` header: what other systems keep about a trace, newest first. */

const MEMBERS_MAX = 32;
/** 3.3.1.5: what everybody has to propagate. Whoever must shorten takes members over 128 characters first, then from the end. */
const CHARS_MAX = 512;
const LONG_MEMBER_CHARS = 128;

/** 3.3.1.3: a simple key, or `tenant@system`. */
const KEY = /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})$/;
/** 3.3.1.3.2: printable ASCII but "," and "=", not ending in a space. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The header's value as it goes on: its members without what stands around them. Several fields come joined by commas. `undefined`: not valid. */
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
    // Of members with the same key the first is the newest.
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
