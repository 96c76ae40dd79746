import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPathValue, PathPattern } from "../../../src/core/path-pattern.ts";

const problemOf = (text: string): string => {
  try {
    new PathPattern(text);
    return "none";
  } catch (error) {
    return error instanceof TypeError ? error.message : String(error);
  }
};

test("a pattern matches a path of its segments, and nothing that only looks like it after decoding or normalisation", () => {
  const pattern = new PathPattern("/v1/rooms/{room_id}/status");
  expect(pattern.match("/v1/rooms/r-1/status")).toEqual(new Map([["room_id", "r-1"]]));
  const others = [
    ...["/v1/rooms/r-1/status/", "/v1/rooms//status", "//v1/rooms/r-1/status", "v1/rooms/r-1/status", "/v1/rooms/r-1"],
    ...[
      "/v1/rooms/./status",
      "/v1/rooms/../status",
      "/v1/rooms/%2e%2e/status",
      "/v1/rooms/r%2d1/status",
      "/v1/rooms/a%2fb/status",
    ],
    ...["/v1/rooms/a\\b/status", "/v1/rooms/a b/status", "/v1/rooms/ä/status", "/v1/rooms/a;b/status", "/v1/rooms/a\n/status"],
    ...[`/v1/rooms/${"x".repeat(129)}/status`, "/V1/rooms/r-1/status", "/v1/rooms/r-1/statu%73", "", "/"],
  ];
  expect(others.filter((path) => pattern.match(path) !== undefined)).toEqual([]);
});

test("a wrong pattern is refused with the reason, and the reason does not quote it", () => {
  const segment = (n: number) => `segment ${n} is neither plain text nor a {variable}`;
  expect(problemOf("/v1/a?b")).toBe('must not contain "?", because a path has no query');
  expect(problemOf("v1")).toBe('must start with "/"');
  for (const text of ["/", "/a/", "/a//b"]) expect(problemOf(text)).toStartWith("segment ");
  for (const last of ["{a}b", "{}", "{a.b}", "{1}", "a b", "..", ".", "%61", "*", "**", ":a", "a#b", "ä", "{a"]) {
    expect(problemOf(`/v1/${last}`)).toBe(segment(2));
  }
  expect(problemOf("/{a}/{a}")).toBe("a {variable} occurs twice");
  expect(problemOf(`/${"a/".repeat(12)}a`)).toBe("has more than 12 segments");
  expect(problemOf(`/${"a".repeat(1024)}`)).toBe("is longer than 1024 characters");
});

test("property: a path that is expanded from values matches its pattern with the same values, as URL parsers read it", () => {
  const value = fc.stringMatching(/^[A-Za-z0-9._~-]{1,20}$/).filter(isPathValue);
  fc.assert(
    fc.property(value, value, (a, b) => {
      const pattern = new PathPattern("/x/{a}/y/{b}");
      const values = new Map([
        ["a", a],
        ["b", b],
      ]);
      const path = pattern.expand(values);
      expect(new URL(path, "http://backend").pathname).toBe(path);
      expect(pattern.match(path)).toEqual(values);
    }),
  );
});

test("a value that does not fit into one segment is refused", () => {
  const pattern = new PathPattern("/x/{a}");
  for (const value of ["", ".", "..", "a/b", "a\\b", "%2e", "a?b", "a#b", "a b", "ä", "x".repeat(129)]) {
    expect(() => pattern.expand(new Map([["a", value]]))).toThrow(TypeError);
  }
  expect(() => pattern.expand(new Map())).toThrow(TypeError);
});

test("two patterns overlap exactly if a path matches both", () => {
  const overlap = (a: string, b: string) => new PathPattern(a).overlaps(new PathPattern(b));
  for (const [a, b] of [
    ["/a/{x}", "/a/b"],
    ["/a/{x}", "/a/{y}"],
    ["/a/{x}/c", "/a/b/{y}"],
    ["/a", "/a"],
  ] as const) {
    expect([a, b, overlap(a, b), overlap(b, a)]).toEqual([a, b, true, true]);
  }
  for (const [a, b] of [
    ["/a/{x}", "/b/{x}"],
    ["/a", "/a/b"],
    ["/a/{x}/c", "/a/{x}/d"],
  ] as const) {
    expect([a, b, overlap(a, b), overlap(b, a)]).toEqual([a, b, false, false]);
  }
});

test("two patterns overlap at a lenient server even with matrix parameters, empty segments or another case", () => {
  const overlap = (a: string, b: string) => [
    new PathPattern(a).overlaps(new PathPattern(b)),
    new PathPattern(a).overlapsLeniently(new PathPattern(b)),
    new PathPattern(b).overlapsLeniently(new PathPattern(a)),
  ];
  for (const path of ["/a/b;c/{x}", "/a/b;c=d;e/{x}", "/a/;c/b/{x}", "/A/b/{x}"]) {
    expect([path, overlap(path, "/a/b/{y}")]).toEqual([path, [false, true, true]]);
  }
  for (const path of ["/a/b,c/{x}", "/a/c;b/{x}"]) {
    expect([path, overlap(path, "/a/b/{y}")]).toEqual([path, [false, false, false]]);
  }
});
