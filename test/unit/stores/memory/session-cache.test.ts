import { expect, test } from "bun:test";
import type { FoundSession, Revocation } from "../../../../src/core/ports.ts";
import { RevocationLog } from "../../../../src/core/revocation-log.ts";
import { SessionCache, type SessionCacheOptions } from "../../../../src/stores/memory/session-cache.ts";
import { ManualClock } from "../../../contract/manual-clock.ts";
import { ScriptedSource } from "../../../contract/scripted-source.ts";

test("a hit is answered at once, without a promise", async () => {
  const { cache } = openCache();
  await cache.find("s1");
  await cache.find("nobody");
  expect((cache.find("s1") as FoundSession).session.status).toBe("active");
  expect(cache.find("nobody")).toBeUndefined();
});

test("an answer once given is never changed under its holder", async () => {
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

test("while revocations do not arrive, every request asks the source, and those that arrive together share it", async () => {
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

test("a session that vanished while revocations did not arrive is not found in memory afterwards", async () => {
  let trusted = true;
  const { cache, source } = openCache({ trusted: () => trusted });
  await cache.find("s1");
  trusted = false;
  source.delete("s1");
  await cache.find("s1");
  trusted = true;
  expect(await cache.find("s1")).toBeUndefined();
});

test("with a time to live of 0 every request asks the source", async () => {
  const { cache, source } = openCache({ ttlMs: 0, unknownTtlMs: 0 });
  for (const id of ["s1", "s1", "nobody", "nobody"]) await cache.find(id);
  expect(source.asked).toEqual(["s1", "s1", "nobody", "nobody"]);
  expect(cache.entries).toBe(0);
});

test("a revoked session stays known as revoked, and only for the rest of its time to live", async () => {
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

test("without a cache, a request right after a revocation is not answered by the look-up that just ended", async () => {
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

test.each([30_000, 0])(
  "at each turn of the event queue around the end of a look-up, a revocation wins (ttlMs %d)",
  async (ttlMs) => {
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
  },
);

test("made-up ids displace no session, however many", async () => {
  const { cache, source } = openCache({ entriesMax: 10 });
  await cache.find("s1");
  for (let index = 0; index < 100; index++) await cache.find(`made-up-${index}`);
  await cache.find("s1");
  expect(source.asked.filter((id) => id === "s1")).toHaveLength(1);
});

test("the cache holds no more than its bound", async () => {
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

test("no more look-ups are under way than allowed, and those under way still serve their waiters", async () => {
  const { cache, source } = openCache({ lookUpsMax: 2 });
  const release = source.hold();
  const waiting = [cache.find("s1"), cache.find("s2"), cache.find("s1")];
  expect(() => cache.find("s3")).toThrow(expect.objectContaining({ reason: "SESSION_LOOKUP_UNAVAILABLE" }));
  release();
  expect((await Promise.all(waiting)).map((found) => found?.session.status)).toEqual(["active", "active", "active"]);
  expect(await cache.find("nobody")).toBeUndefined();
});

test("a source that throws at once is out of reach, and is asked again", async () => {
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

test("a look-up overtaken by more revocations than the log remembers is made anew, not trusted", async () => {
  const { cache, source, revoke } = openCache({}, new RevocationLog(4));
  const release = source.hold();
  const found = cache.find("s1");
  source.set("s1", "u1", "revoked");
  revoke({ deviceSessionId: "s1" });
  for (let index = 0; index < 10; index++) revoke({ userId: `someone-${index}` });
  release();
  expect((await found)?.session.status).toBe("revoked");
  expect(source.asked).toEqual(["s1", "s1"]);
});

test("a look-up that is overtaken again and again gives up", async () => {
  const { source, clock } = openCache();
  const restless = {
    async lookUp(id: string) {
      const session = await source.lookUp(id);
      cache.clear();
      return session;
    },
  };
  const cache = new SessionCache(restless, new RevocationLog(), clock, { ttlMs: 1, unknownTtlMs: 1, entriesMax: 1 });
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
