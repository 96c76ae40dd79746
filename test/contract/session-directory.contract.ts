import { describe, expect, test } from "bun:test";
import { Refusal } from "../../src/core/refusal.ts";
import { RevocationLog } from "../../src/core/revocation-log.ts";
import type { FoundSession, Revocation, SessionDirectory, SessionSource } from "../../src/core/sessions.ts";
import { ScriptedSource } from "./scripted-source.ts";

export const TTL_MS = 30_000;
export const UNKNOWN_TTL_MS = 2_000;

/** A directory under test with the given source and log, and the two times to live above. */
export interface SessionDirectoryHarness {
  readonly directory: SessionDirectory;
  /** Passes a revocation that is already in the log. */
  revoke(revocation: Revocation): void | Promise<void>;
  /** Reports that revocations may have been lost. */
  clear(): void | Promise<void>;
  advance(ms: number): void | Promise<void>;
  close(): void | Promise<void>;
}

export interface SessionDirectoryFactory {
  readonly name: string;
  open(source: SessionSource, log: RevocationLog): SessionDirectoryHarness | Promise<SessionDirectoryHarness>;
}

interface Setup extends SessionDirectoryHarness {
  readonly source: ScriptedSource;
  readonly log: RevocationLog;
  find(deviceSessionId: string): Promise<FoundSession | undefined>;
}

export function sessionDirectoryContract(factory: SessionDirectoryFactory): void {
  const run = (body: (setup: Setup) => Promise<void>) => async () => {
    const source = new ScriptedSource();
    source.set("s1", "u1");
    source.set("s2", "u1");
    source.set("other", "u2");
    const log = new RevocationLog();
    const harness = await factory.open(source, log);
    const revoke = async (revocation: Revocation) => {
      log.append(revocation);
      await harness.revoke(revocation);
    };
    try {
      await body({ ...harness, source, log, revoke, find: async (id) => harness.directory.find(id) });
    } finally {
      await harness.close();
    }
  };

  describe(`SessionDirectory: ${factory.name}`, () => {
    test(
      "`find` returns a session as the source has it: active, revoked or unknown",
      run(async ({ source, find }) => {
        source.set("ended", "u1", "revoked");
        expect((await find("s1"))?.session).toMatchObject({ deviceSessionId: "s1", userId: "u1", status: "active" });
        expect((await find("ended"))?.session.status).toBe("revoked");
        expect(await find("nobody")).toBeUndefined();
      }),
    );

    test(
      "a cached session costs one look-up per time to live",
      run(async ({ source, find, advance }) => {
        await find("s1");
        await advance(TTL_MS - 1);
        await find("s1");
        expect(source.asked).toEqual(["s1"]);
        await advance(2);
        await find("s1");
        expect(source.asked).toEqual(["s1", "s1"]);
      }),
    );

    test(
      "a revoked session is cached too",
      run(async ({ source, find }) => {
        source.set("ended", "u1", "revoked");
        await find("ended");
        await find("ended");
        expect(source.asked).toEqual(["ended"]);
      }),
    );

    test(
      "an unknown id is cached for the shorter time to live",
      run(async ({ source, find, advance }) => {
        await find("new");
        source.set("new", "u9");
        expect(await find("new")).toBeUndefined();
        await advance(UNKNOWN_TTL_MS + 1);
        expect((await find("new"))?.session.userId).toBe("u9");
        expect(source.asked).toEqual(["new", "new"]);
      }),
    );

    test(
      "a session that the source deleted is unknown after the next look-up",
      run(async ({ source, find, advance }) => {
        await find("s1");
        source.delete("s1");
        await advance(TTL_MS + 1);
        expect(await find("s1")).toBeUndefined();
      }),
    );

    test(
      "concurrent requests share one look-up",
      run(async ({ source, find }) => {
        const release = source.hold();
        const found = Array.from({ length: 20 }, () => find("s1"));
        release();
        expect((await Promise.all(found)).map((one) => one?.session.status)).toEqual(new Array(20).fill("active"));
        expect(source.asked).toEqual(["s1"]);
      }),
    );

    test(
      "if the source fails, every waiting request is refused, and the next one looks up again",
      run(async ({ source, find }) => {
        source.failure = new Error("connection refused to 10.0.0.7");
        const release = source.hold();
        const found = Promise.allSettled([find("s1"), find("s1")]);
        release();
        for (const outcome of await found)
          expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "SESSION_LOOKUP_UNAVAILABLE" } });
        source.failure = undefined;
        expect((await find("s1"))?.session.status).toBe("active");
      }),
    );

    test(
      "a refusal carries the source's error as its cause",
      run(async ({ source, find }) => {
        const cause = new Error("connection refused");
        source.failure = cause;
        const thrown = await find("s1").catch((error: unknown) => error);
        expect(thrown).toBeInstanceOf(Refusal);
        expect(thrown).toHaveProperty("cause", cause);
      }),
    );

    test(
      "a revocation of a session changes the cached session only",
      run(async ({ source, find, revoke }) => {
        await find("s1");
        await find("s2");
        source.set("s1", "u1", "revoked");
        await revoke({ deviceSessionId: "s1" });
        expect((await find("s1"))?.session.status).toBe("revoked");
        expect((await find("s2"))?.session.status).toBe("active");
      }),
    );

    test(
      "a revocation of a user changes every cached session of that user only",
      run(async ({ source, find, revoke }) => {
        for (const id of ["s1", "s2", "other"]) await find(id);
        source.set("s1", "u1", "revoked");
        source.set("s2", "u1", "revoked");
        await revoke({ userId: "u1", deviceSessionId: "" });
        expect((await find("s1"))?.session.status).toBe("revoked");
        expect((await find("s2"))?.session.status).toBe("revoked");
        expect((await find("other"))?.session.status).toBe("active");
        expect(source.asked.filter((id) => id === "other")).toHaveLength(1);
      }),
    );

    for (const revocation of [{ deviceSessionId: "s1" }, { userId: "u1" }]) {
      const target = "userId" in revocation ? "its user" : "the session";
      test(
        `a look-up in flight during a revocation of ${target} returns revoked, to earlier and later callers`,
        run(async ({ source, find, revoke }) => {
          const release = source.hold();
          const before = find("s1");
          source.set("s1", "u1", "revoked");
          await revoke(revocation);
          const after = find("s1");
          release();
          expect((await before)?.session.status).toBe("revoked");
          expect((await after)?.session.status).toBe("revoked");
          expect((await find("s1"))?.session.status).toBe("revoked");
        }),
      );
    }

    test(
      "a revocation of others does not affect a look-up in flight",
      run(async ({ source, find, revoke }) => {
        const release = source.hold();
        const found = find("s1");
        await revoke({ deviceSessionId: "s2" });
        await revoke({ userId: "u2" });
        release();
        expect((await found)?.session.status).toBe("active");
      }),
    );

    test(
      "the mark of a result finds revocations that came after it",
      run(async ({ source, log, find, revoke }) => {
        const release = source.hold();
        const waiting = find("s1");
        release();
        const lookedUp = await waiting;
        const fromCache = await find("s1");
        await revoke({ userId: "u1" });
        await find("s1");
        for (const found of [lookedUp, fromCache]) {
          expect(found?.session.status).toBe("active");
          expect(log.revokedSince(found?.mark ?? 0, "s1", "u1")).toBe("revoked");
        }
      }),
    );

    test(
      "a session that is active again after a revocation is not reported as revoked",
      run(async ({ source, log, find, revoke, advance }) => {
        await find("s1");
        await revoke({ deviceSessionId: "s1" });
        await advance(TTL_MS + 1);
        source.set("s1", "u1", "active");
        const found = await find("s1");
        expect(found?.session.status).toBe("active");
        expect(log.revokedSince(found?.mark ?? 0, "s1", "u1")).toBe("not_revoked");
      }),
    );

    test(
      "a hit carries the current mark, so that old revocations are not searched again",
      run(async ({ log, find, revoke }) => {
        await find("s1");
        await revoke({ deviceSessionId: "someone-else" });
        expect((await find("s1"))?.mark).toBe(log.mark());
      }),
    );

    test(
      "after `clear`, nothing is returned from the cache",
      run(async ({ source, find, clear }) => {
        await find("s1");
        source.set("s1", "u1", "revoked");
        await clear();
        expect((await find("s1"))?.session.status).toBe("revoked");
      }),
    );

    test(
      "a look-up in flight during `clear` is repeated",
      run(async ({ source, find, clear }) => {
        const release = source.hold();
        const found = find("s1");
        source.set("s1", "u1", "revoked");
        await clear();
        release();
        expect((await found)?.session.status).toBe("revoked");
        expect((await find("s1"))?.session.status).toBe("revoked");
      }),
    );
  });
}
