import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { challengeKey } from "../../../../src/service/public/challenge-id.ts";

/** UUIDv7 begins with 0 for five centuries yet: where a parser takes another first character for it, it does so for every challenge. */
const UUID = "01a2099a-5150-74e9-b0ec-1ac9f2114ff2";
const BARE = UUID.replaceAll("-", "");

describe("a UUID has one spelling", () => {
  test("its canonical one", () => {
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
    ["any two ends (Go)", `X${UUID}Y`],
    ["two hyphens at its ends", `-${UUID}-`],
    ["a suffix (SQL Server)", `${UUID}x`],
    ["a prefix", `c${UUID}`],
    ["urn:uuid:", `urn:uuid:${UUID}`],
    ["uuid: within (Python)", "01a2099a-uuid:5150-74e9-b0ec-1ac9f2114ff2"],
    ["a sign (Python, Java)", `+${UUID.slice(1)}`],
    ["an underscore for its first digit (Python)", `_${UUID.slice(1)}`],
    ["an underscore between digits, its first 0 left out (Python)", `1_a2${UUID.slice(4)}`],
    ["0x for its first digits (Python, .NET)", `0x${UUID.slice(2)}`],
    ["groups without their leading zeros (Java)", "1a2099a-5150-74e9-b0ec-1ac9f2114ff2"],
    ["a group that is too long (older Java)", `ffff${UUID}`],
    ["groups in hexadecimal of .NET", "{0x01a2099a,0x5150,0x74e9,{0xb0,0xec,0x1a,0xc9,0xf2,0x11,0x4f,0xf2}}"],
    ["full-width digits (Java)", UUID.replace("0", "\uff10")],
    ["Arabic digits (Java, Python)", UUID.replace("0", "\u0660")],
    ["a dash that is no hyphen", UUID.replaceAll("-", "\u2010")],
    ["white space before", ` ${UUID}`],
    ["a line end behind", `${UUID}\n`],
    ["a null behind", `${UUID}\0`],
    ["a zero-width space", `${UUID}\u200b`],
    ["percent-encoding", UUID.replaceAll("-", "%2d")],
    ["quotes", `"${UUID}"`],
  ])("and not %s", (_, spelling) => {
    expect(challengeKey(spelling)).toBeUndefined();
  });
});

describe("other ids are opaque", () => {
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
  ])("%s is taken", (id) => {
    expect(challengeKey(id)).toBeDefined();
  });

  test.each(["", "a b", "a\u00e9", "a:b", "a/b", "a+b", "a=", "{a}", "a%41", "x".repeat(129)])("%j is not", (id) => {
    expect(challengeKey(id)).toBeUndefined();
  });

  test.each([
    ["case", "V1StGXR8_Z5jdHi6B-myT", "v1stgxr8_z5jdhi6b-MYT"],
    ["leading zeros", "123", "000123"],
    ["look-alikes of ULIDs", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "OIarz3ndektsv4rrffq69g5fav"],
    ["separators", "1000", "1_000"],
  ])("those that differ in %s alone share a budget", (_, one, other) => {
    expect(challengeKey(one)).toBe(challengeKey(other) ?? "");
  });

  test("others do not", () => {
    const ids = ["c-1", "c-2", "7", "8", "V1StGXR8_Z5jdHi6B-myT", "V2StGXR8_Z5jdHi6B-myT", UUID];
    expect(new Set(ids.map(challengeKey)).size).toBe(ids.length);
  });
});

const PYTHON = Bun.which("python3");
const NO_PYTHON = PYTHON === null ? "skipped: python3 is not installed" : undefined;

/** Reads UUIDs as a backend in Python would: a JSON list of texts in, the indices of those that are this UUID out. */
const PARSE = `
import json, sys, uuid
texts, wanted = json.load(sys.stdin)
def same(text):
    try: return uuid.UUID(text) == uuid.UUID(wanted)
    except Exception: return False
print(json.dumps([at for at, text in enumerate(texts) if same(text)]))
`;

describe.skipIf(NO_PYTHON !== undefined)(NO_PYTHON ?? "a parser that is real: Python's", () => {
  test("of a hundred thousand spellings, those that it reads as the challenge are refused", async () => {
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

/** The UUID with some characters put in, left out or changed. */
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
