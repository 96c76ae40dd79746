import { describe, expect, test } from "bun:test";
import { readMembers } from "../../../../src/backend/rest/json-members.ts";
import { PathTemplate } from "../../../../src/backend/rest/path-template.ts";
import { Refusal } from "../../../../src/core/refusal.ts";

const template = new PathTemplate("/api/v1/user/rooms/{room_id}/messages");

function expand(payload: unknown): string {
  return template.expand(readMembers(Buffer.from(JSON.stringify(payload))));
}

function refusedField(expandIt: () => unknown): string | undefined {
  try {
    expandIt();
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.reason === "PAYLOAD_INVALID") return thrown.metadata["field"];
    throw thrown;
  }
  return undefined;
}

test("placeholders accept strings, numbers and booleans", () => {
  expect(expand({ room_id: "lobby" })).toBe("/api/v1/user/rooms/lobby/messages");
  expect(expand({ room_id: 42 })).toBe("/api/v1/user/rooms/42/messages");
  expect(expand({ room_id: true })).toBe("/api/v1/user/rooms/true/messages");
  expect([...template.fields]).toEqual(["room_id"]);
});

test("a number keeps all of its digits", () => {
  const members = readMembers(Buffer.from('{"room_id": 12345678901234567890}'));
  expect(template.expand(members)).toBe("/api/v1/user/rooms/12345678901234567890/messages");
});

test("reserved and non-ASCII characters are percent-encoded", () => {
  expect(expand({ room_id: "a b?c#d&e=f;g" })).toBe("/api/v1/user/rooms/a%20b%3Fc%23d%26e%3Df%3Bg/messages");
  expect(expand({ room_id: "ключ…" })).toBe(`/api/v1/user/rooms/${encodeURIComponent("ключ…")}/messages`);
  expect(expand({ room_id: "..." })).toBe("/api/v1/user/rooms/.../messages");
});

describe("path traversal: a value that could leave its segment is refused", () => {
  const values = [
    "",
    ".",
    "..",
    "/",
    "a/b",
    "../admin",
    "..\\admin",
    "%2e%2e",
    "%2E",
    "a%2fb",
    "\u0000",
    "a\nb",
    "\u007f",
    "\u0085",
  ];
  for (const value of [...values, "x".repeat(513), "\ud800"]) {
    test(JSON.stringify(value).slice(0, 20), () => {
      expect(refusedField(() => expand({ room_id: value }))).toBe("room_id");
    });
  }
});

test("a missing, null, object or array value is refused with its field's name", () => {
  for (const payload of [{}, { room_id: null }, { room_id: {} }, { room_id: ["a"] }]) {
    expect(refusedField(() => expand(payload))).toBe("room_id");
  }
});

test("a field inherited from Object.prototype is not a field of the payload", () => {
  const odd = new PathTemplate("/x/{constructor}/{__proto__}");
  expect(refusedField(() => odd.expand(readMembers(Buffer.from("{}"))))).toBe("constructor");
  expect(odd.expand(readMembers(Buffer.from('{"constructor":"a","__proto__":"b"}')))).toBe("/x/a/b");
});

test("an invalid path throws a TypeError when it is parsed", () => {
  for (const path of ["api", "/a//b", "/a/../b", "/a/{b}c", "/a/{b", "/a?b", "/a/{b}/{b}", "/a/%2e", "/a/{1}", "/"]) {
    expect(() => new PathTemplate(path)).toThrow(TypeError);
  }
});
