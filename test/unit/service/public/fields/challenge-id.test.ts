import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { challengeKey } from "../../../../../src/service/public/fields/challenge-id.ts";

/** A UUIDv7 starts with 0 for the next centuries, so a parser that reads another character as 0 does so for every challenge. */
const UUID = "01a2099a-5150-74e9-b0ec-1ac9f2114ff2";
const BARE = UUID.replaceAll("-", "");

describe("a UUID", () => {
  test("in canonical spelling is accepted", () => {
    expect(challengeKey(UUID)).toBe(UUID);
    expect(challengeKey("00000000-0000-0000-0000-000000000000")).toBe("00000000-0000-0000-0000-000000000000");
  });

  test.each([
    ["upper case", UUID.toUpperCase()],
    ["one digit in upper case", UUID.replace("a", "A")],
    ["no hyphens", BARE],
    ["a hyphen missing", UUID.replace("-", "")],
    ["other hyphens (PostgreSQL)", "01a2-099a-5150-74e9-b0ec-1ac9-f211-4ff2"],
    ["braces", `{${UUID}}`],
    ["parentheses (.NET)", `(${UUID})`],
    ["any character at each end (Go)", `X${UUID}Y`],
    ["a hyphen at each end", `-${UUID}-`],
    ["a suffix (SQL Server)", `${UUID}x`],
    ["a prefix", `c${UUID}`],
    ["urn:uuid:", `urn:uuid:${UUID}`],
    ["uuid: in the middle (Python)", "01a2099a-uuid:5150-74e9-b0ec-1ac9f2114ff2"],
    ["a sign (Python, Java)", `+${UUID.slice(1)}`],
    ["an underscore as its first digit (Python)", `_${UUID.slice(1)}`],
    ["an underscore between digits and no leading 0 (Python)", `1_a2${UUID.slice(4)}`],
    ["0x as its first digits (Python, .NET)", `0x${UUID.slice(2)}`],
    ["groups without leading zeros (Java)", "1a2099a-5150-74e9-b0ec-1ac9f2114ff2"],
    ["a group that is too long (older Java)", `ffff${UUID}`],
    ["the hexadecimal format of .NET", "{0x01a2099a,0x5150,0x74e9,{0xb0,0xec,0x1a,0xc9,0xf2,0x11,0x4f,0xf2}}"],
    ["full-width digits (Java)", UUID.replace("0", "\uff10")],
    ["Arabic digits (Java, Python)", UUID.replace("0", "\u0660")],
    ["Unicode hyphens", UUID.replaceAll("-", "\u2010")],
    ["leading white space", ` ${UUID}`],
    ["a trailing line break", `${UUID}\n`],
    ["a trailing null", `${UUID}\0`],
    ["a zero-width space", `${UUID}\u200b`],
    ["percent-encoding", UUID.replaceAll("-", "%2d")],
    ["quotes", `"${UUID}"`],
  ])("with %s is refused", (_, spelling) => {
    expect(challengeKey(spelling)).toBeUndefined();
  });
});

describe("an opaque id", () => {
  test.each([
    "c-1",
    "7",
    "000123",
    "no-such-challenge",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "V1StGXR8_Z5jdHi6B-myT",
    "507f1f77bcf86cd799439011",
    Buffer.alloc(32, 0xfb).toString("base64url"),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "chal_live.8f~2",
    "x".repeat(128),
  ])("%s is accepted", (id) => {
    expect(challengeKey(id)).toBeDefined();
  });

  test.each(["", "a b", "a\u00e9", "a:b", "a/b", "a+b", "a=", "{a}", "a%41", "x".repeat(129)])("%j is refused", (id) => {
    expect(challengeKey(id)).toBeUndefined();
  });

  test.each([
    ["case", "V1StGXR8_Z5jdHi6B-myT", "v1stgxr8_z5jdhi6b-MYT"],
    ["leading zeros", "123", "000123"],
    ["look-alikes of ULIDs", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "OIarz3ndektsv4rrffq69g5fav"],
    ["separators", "1000", "1_000"],
  ])("shares its budget with an id that differs only in %s", (_, one, other) => {
    expect(challengeKey(one)).toBe(challengeKey(other) ?? "");
  });

  test("has its own budget otherwise", () => {
    const ids = ["c-1", "c-2", "7", "8", "V1StGXR8_Z5jdHi6B-myT", "V2StGXR8_Z5jdHi6B-myT", UUID];
    expect(new Set(ids.map(challengeKey)).size).toBe(ids.length);
  });
});

const PYTHON = Bun.which("python3");
const NO_PYTHON = PYTHON === null ? "skipped: python3 is not installed" : undefined;

/** Parses texts as a Python backend would. Input: texts and a UUID as JSON. Output: the indices of the texts that are this UUID. */
const PARSE = `
import json, sys, uuid
texts, wanted = json.load(sys.stdin)
def same(text):
    try: return uuid.UUID(text) == uuid.UUID(wanted)
    except Exception: return False
print(json.dumps([at for at, text in enumerate(texts) if same(text)]))
`;

describe.skipIf(NO_PYTHON !== undefined)(NO_PYTHON ?? "with Python's UUID parser", () => {
  test("every spelling of 100,000 that it reads as the challenge's UUID is refused", async () => {
    const spellings = fc.sample(spelling, { numRuns: 100_000, seed: 7 });
    const child = Bun.spawn([PYTHON ?? "", "-c", PARSE], { stdin: "pipe", stdout: "pipe" });
    child.stdin.write(JSON.stringify([spellings, UUID]));
    child.stdin.end();
    const read: number[] = JSON.parse(await new Response(child.stdout).text());
    const aliases = new Set(read.map((at) => spellings[at] ?? "").filter((each) => each !== UUID));
    expect(aliases.size).toBeGreaterThan(200);
    expect([...aliases].filter((alias) => challengeKey(alias) !== undefined)).toEqual([]);
  });
});

/** One insertion, deletion or replacement. */
const edit = fc.record({
  at: fc.nat(UUID.length),
  remove: fc.integer({ min: 0, max: 2 }),
  insert: fc.constantFrom("", "-", "_", "+", "0", "0x", "{", "}", "urn:", "uuid:", " ", "\u0660", "A"),
});
const spelling = fc
  .tuple(fc.constantFrom(UUID, BARE), fc.array(edit, { maxLength: 4 }))
  .map(([start, edits]) =>
    edits.reduce((text, { at, remove, insert }) => text.slice(0, at) + insert + text.slice(at + remove), start),
  );
