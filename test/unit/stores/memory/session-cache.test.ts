import { expect, test } from "bun:test";
import { RevocationLog } from "../../../../src/core/revocation-log.ts";
import type { FoundSession, Revocation } from "../../../../src/core/sessions.ts";
import { SessionCache, type SessionCacheOptions } from "../../../../src/stores/memory/session-cache.ts";
import { ScriptedSource } from "../../../contract/scripted-source.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

test("a hit is returned synchronously", async () => {
  const { cache } = openCache();
  await cache.find("s1");
  await cache.find("nobody");
  expect((cache.find("s1") as FoundSession).session.status).toBe("active");
  expect(cache.find("nobody")).toBeUndefined();
});

test("a returned result never changes", async () => {
  const { cache, revoke } = openCache();
  await cache.find("s1");
  const hit = cache.find("s1") as FoundSession;
  const { mark, session } = hit;
  revoke({ deviceSessionId: "other" });
  cache.find("s1");
  revoke({ userId: "u1" });
  cache.find("s1");
  expect(hit).toEqual({ mark, session });
  expect(session.status).toBe("active");
});

test("while revocations do not arrive, every request looks up, and concurrent requests share a look-up", async () => {
  let trusted = true;
  const { cache, source } = openCache({ trusted: () => trusted });
  await cache.find("s1");
  trusted = false;
  source.set("s1", "u1", "revoked");
  expect((await cache.find("s1"))?.session.status).toBe("revoked");
  await Promise.all([cache.find("s1"), cache.find("s1")]);
  expect(source.asked).toHaveLength(3);
  trusted = true;
  await cache.find("s1");
  expect(source.asked).toHaveLength(3);
});

test("a session that was deleted while revocations did not arrive is no longer cached afterwards", async () => {
  let trusted = true;
  const { cache, source } = openCache({ trusted: () => trusted });
  await cache.find("s1");
  trusted = false;
  source.delete("s1");
  await cache.find("s1");
  trusted = true;
  expect(await cache.find("s1")).toBeUndefined();
});

test("with a time to live of 0, every request looks up", async () => {
  const { cache, source } = openCache({ ttlMs: 0, unknownTtlMs: 0 });
  for (const id of ["s1", "s1", "nobody", "nobody"]) await cache.find(id);
  expect(source.asked).toEqual(["s1", "s1", "nobody", "nobody"]);
  expect(cache.entries).toBe(0);
});

test("a revoked session stays cached as revoked for the rest of its time to live", async () => {
  const { cache, source, revoke, clock } = openCache();
  await cache.find("s1");
  clock.advance(29_000);
  revoke({ userId: "u1" });
  expect((await cache.find("s1"))?.session.status).toBe("revoked");
  expect(source.asked).toEqual(["s1"]);
  clock.advance(1_000);
  await cache.find("s1");
  expect(source.asked).toEqual(["s1", "s1"]);
});

test("with a time to live of 0, a request after a revocation does not join the look-up that just ended", async () => {
  const { cache, source, revoke } = openCache({ ttlMs: 0 });
  let later: Promise<FoundSession | undefined> | undefined;
  const release = source.hold();
  const first = cache.find("s1");
  const watching = Promise.resolve(first).then(() => {
    source.set("s1", "u1", "revoked");
    revoke({ deviceSessionId: "s1" });
    later = Promise.resolve(cache.find("s1"));
  });
  release();
  await watching;
  expect((await later)?.session.status).toBe("revoked");
});

test.each([30_000, 0])("a revocation wins at every microtask around the end of a look-up (ttlMs %d)", async (ttlMs) => {
  for (let turns = 0; turns < 12; turns++) {
    const { cache, source, revoke } = openCache({ ttlMs });
    const release = source.hold();
    const first = cache.find("s1");
    release();
    for (let turn = 0; turn < turns; turn++) await null;
    source.set("s1", "u1", "revoked");
    revoke({ userId: "u1" });
    expect((await cache.find("s1"))?.session.status).toBe("revoked");
    await first;
    expect((await cache.find("s1"))?.session.status).toBe("revoked");
  }
});

test("unknown ids evict no session", async () => {
  const { cache, source } = openCache({ entriesMax: 10 });
  await cache.find("s1");
  for (let index = 0; index < 100; index++) await cache.find(`made-up-${index}`);
  await cache.find("s1");
  expect(source.asked.filter((id) => id === "s1")).toHaveLength(1);
});

test("the cache stores at most entriesMax sessions", async () => {
  const { cache, source } = openCache({ entriesMax: 10 });
  for (let index = 0; index < 50; index++) {
    source.set(`many-${index}`, "u1");
    await cache.find(`many-${index}`);
  }
  expect(cache.entries).toBe(10);
  expect(source.asked).toHaveLength(50);
  await cache.find("many-49");
  expect(source.asked).toHaveLength(50);
});

test("look-ups above lookUpsMax are refused, and those in flight still serve their callers", async () => {
  const { cache, source } = openCache({ lookUpsMax: 2 });
  const release = source.hold();
  const waiting = [cache.find("s1"), cache.find("s2"), cache.find("s1")];
  expect(() => cache.find("s3")).toThrow(expect.objectContaining({ reason: "SESSION_LOOKUP_UNAVAILABLE" }));
  release();
  expect((await Promise.all(waiting)).map((found) => found?.session.status)).toEqual(["active", "active", "active"]);
  expect(await cache.find("nobody")).toBeUndefined();
});

test("a source that throws synchronously refuses the request, and the next request looks up again", async () => {
  let calls = 0;
  const source = {
    lookUp() {
      calls++;
      throw new Error("no route");
    },
  };
  const cache = new SessionCache(source, new RevocationLog(), new ManualClock(), { ttlMs: 1, unknownTtlMs: 1, entriesMax: 1 });
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect((async () => cache.find("s1"))()).rejects.toMatchObject({ reason: "SESSION_LOOKUP_UNAVAILABLE" });
  }
  expect(calls).toBe(2);
});

test("a look-up is repeated if the revocation log overflowed meanwhile", async () => {
  const { cache, source, revoke } = openCache({}, new RevocationLog(4));
  const release = source.hold();
  const found = cache.find("s1");
  source.set("s1", "u1", "revoked");
  revoke({ deviceSessionId: "s1" });
  for (let index = 0; index < 10; index++) revoke({ userId: `other-${index}` });
  release();
  expect((await found)?.session.status).toBe("revoked");
  expect(source.asked).toEqual(["s1", "s1"]);
});

test("a look-up that is overtaken on every attempt is refused", async () => {
  const { source, clock } = openCache();
  const clearing = {
    async lookUp(id: string) {
      const session = await source.lookUp(id);
      cache.clear();
      return session;
    },
  };
  const cache = new SessionCache(clearing, new RevocationLog(), clock, { ttlMs: 1, unknownTtlMs: 1, entriesMax: 1 });
  await expect((async () => cache.find("s1"))()).rejects.toMatchObject({ reason: "SESSION_LOOKUP_UNAVAILABLE" });
  expect(source.asked).toHaveLength(3);
  expect(cache.entries).toBe(0);
});

function openCache(options: Partial<SessionCacheOptions> = {}, log = new RevocationLog()) {
  const source = new ScriptedSource();
  for (const id of ["s1", "s2", "s3"]) source.set(id, "u1");
  const clock = new ManualClock();
  const cache = new SessionCache(source, log, clock, { ttlMs: 30_000, unknownTtlMs: 2_000, entriesMax: 100, ...options });
  const revoke = (revocation: Revocation) => {
    log.append(revocation);
    cache.revoke(revocation);
  };
  return { cache, source, clock, log, revoke };
}
