import { describe, expect, test } from "bun:test";
import { type RevocationListener, Revocations } from "../../../src/core/revocations.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const GRACE_MS = 100;

function setUp() {
  const clock = new ManualClock();
  const revocations = new Revocations({ clock, graceMs: GRACE_MS });
  const calls: string[] = [];
  const join = (name: string, streams: number) => {
    const mark = revocations.mark();
    const listener: RevocationListener = {
      revoke({ deviceSessionId = "", userId = "" }) {
        calls.push(`${name} revoke ${revocations.revokedSince(mark, deviceSessionId, userId)}`);
        return streams;
      },
      lost: () => void calls.push(`${name} lost`),
      outageEnded: () => void calls.push(`${name} outage ended`),
    };
    revocations.join(listener);
  };
  return { clock, revocations, calls, join };
}

describe("a revocation", () => {
  test("enters the log before the listeners are called, in the order in which they joined", () => {
    const { revocations, calls, join } = setUp();
    join("cache", 0);
    join("hub", 3);
    expect(revocations.revoke({ deviceSessionId: "a" })).toBe(3);
    expect(calls).toEqual(["cache revoke revoked", "hub revoke revoked"]);
  });

  test("that may be lost moves the mark, and revokes no session", () => {
    const { revocations, calls, join } = setUp();
    join("cache", 0);
    const before = revocations.mark();
    revocations.lost();
    expect(revocations.mark()).toBeGreaterThan(before);
    expect(revocations.revokedSince(before, "a", "b")).toBe("not_revoked");
    expect(calls).toEqual(["cache lost"]);
  });
});

describe("revocations arrive", () => {
  test("while the feed is up, and for the grace after it went down", () => {
    const { clock, revocations } = setUp();
    expect(revocations.areArriving()).toBe(true);
    clock.advance(GRACE_MS + 1);
    expect(revocations.areArriving()).toBe(false);
    revocations.feedChanged(true);
    clock.advance(9 * GRACE_MS);
    expect(revocations.areArriving()).toBe(true);
    revocations.feedChanged(false);
    clock.advance(GRACE_MS);
    expect(revocations.areArriving()).toBe(true);
    clock.advance(1);
    expect(revocations.areArriving()).toBe(false);
  });

  test("again after a long outage: listeners are called, after a short one they are not", () => {
    const { clock, revocations, calls, join } = setUp();
    join("cache", 0);
    revocations.feedChanged(true);
    revocations.feedChanged(false);
    clock.advance(GRACE_MS);
    revocations.feedChanged(true);
    expect(calls).toEqual([]);
    revocations.feedChanged(false);
    clock.advance(GRACE_MS + 1);
    revocations.feedChanged(true);
    expect(calls).toEqual(["cache outage ended"]);
  });
});
