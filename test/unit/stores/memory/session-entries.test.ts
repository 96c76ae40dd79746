import { expect, test } from "bun:test";
import fc from "fast-check";
import type { FoundSession } from "../../../../src/core/sessions.ts";
import { SessionEntries } from "../../../../src/stores/memory/session-entries.ts";

test("the oldest session is evicted, also from the list of its user", () => {
  const entries = new SessionEntries(2);
  entries.put(found("s1", "u1"), 1);
  entries.put(found("s2", "u1"), 1);
  entries.put(found("s3", "u3"), 1);
  expect(entries.get("s1")).toBeUndefined();
  expect(idsOf(entries, "u1")).toEqual(["s2"]);
  expect(idsOf(entries, "u3")).toEqual(["s3"]);
});

test("a session that is put again evicts no other", () => {
  const entries = new SessionEntries(2);
  entries.put(found("s1", "u1"), 1);
  entries.put(found("s2", "u2"), 1);
  for (let round = 0; round < 5; round++) entries.put(found("s1", "u1"), 2);
  expect(entries.get("s2")).toBeDefined();
  expect(entries.size).toBe(2);
});

test("a session that changed its user is listed under the new user only", () => {
  const entries = new SessionEntries(2);
  entries.put(found("s1", "u1"), 1);
  entries.put(found("s1", "u2"), 1);
  expect(idsOf(entries, "u1")).toEqual([]);
  expect(idsOf(entries, "u2")).toEqual(["s1"]);
  expect(entries.users).toBe(1);
});

test("in any order of steps, sessions and users stay consistent (property test)", () => {
  const step = fc.record({
    id: fc.integer({ min: 0, max: 12 }).map((n) => `s${n}`),
    userId: fc.integer({ min: 0, max: 3 }).map((n) => `u${n}`),
    kind: fc.constantFrom("put", "put", "put", "remove", "clear"),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 120 }), (entriesMax, steps) => {
      const entries = new SessionEntries(entriesMax);
      for (const { id, userId, kind } of steps) {
        if (kind === "put") entries.put(found(id, userId), 1);
        else if (kind === "remove") entries.remove(id);
        else if (id === "s0") entries.clear();
        expectConsistent(entries, entriesMax);
        if (kind === "put") expect(entries.get(id)?.found.session.userId).toBe(userId);
        if (kind === "remove") expect(entries.get(id)).toBeUndefined();
      }
    }),
  );
});

function expectConsistent(entries: SessionEntries, entriesMax: number): void {
  const byUser = ["u0", "u1", "u2", "u3"].map((userId) => idsOf(entries, userId));
  expect(byUser.flat()).toHaveLength(entries.size);
  for (const id of byUser.flat()) expect(entries.get(id)).toBeDefined();
  expect(entries.users).toBe(byUser.filter((ids) => ids.length > 0).length);
  expect(entries.size).toBeLessThanOrEqual(entriesMax);
}

function idsOf(entries: SessionEntries, userId: string): string[] {
  return [...entries.ofUser(userId)].map((entry) => entry.found.session.deviceSessionId);
}

function found(deviceSessionId: string, userId: string): FoundSession {
  return { session: { deviceSessionId, userId, status: "active", key: { verify: () => true } }, mark: 0 };
}
