import { afterEach, expect, test } from "bun:test";
import { HistoryFill } from "../../../src/app/history-fill.ts";
import type { FeedCheckpoint } from "../../../src/core/feed-checkpoint.ts";
import type { Revocation } from "../../../src/core/sessions.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { until } from "../../support/until.ts";
import { FakeSink } from "../hub/support/fake-sink.ts";
import { createHub, event } from "../hub/support/hub-fixture.ts";

const AGE_MS = 300_000;

let opened: HistoryFill[] = [];
afterEach(() => {
  for (const fill of opened) fill.stop();
  opened = [];
});

/** A fill in front of a real hub, started with a checkpoint. */
function filling(checkpoint: FeedCheckpoint | undefined) {
  const fixture = createHub();
  const { hub } = fixture;
  const clock = new ManualClock();
  const saved: FeedCheckpoint[] = [];
  const revoked: Revocation[] = [];
  const looksUpAgain: string[] = [];
  const fill = new HistoryFill({
    ...{ hub, clock, ageMs: AGE_MS },
    revocations: { lost: () => void looksUpAgain.push("all") },
    checkpoints: { load: () => checkpoint, save: (each) => void saved.push(each) },
  });
  opened.push(fill);
  const sink = fill.watch({
    event: (each, cursor) => hub.publish(each, cursor),
    lost: (audience, _, cursor) => hub.resyncAudience(audience, cursor),
    revoke: (revocation) => void revoked.push(revocation),
    reached: (cursor) => hub.reached(cursor),
    gap: () => hub.gap(),
  });
  return { ...fixture, clock, fill, sink, saved, revoked, looksUpAgain };
}

test("the fill ends at the last message, and a client that was at a later keepalive resumes", () => {
  const { fill, sink, subscribe } = filling({ from: "1", last: "3", reached: "4" });
  sink.event(event({ userId: "u" }), "2");
  expect(fill.isFilling).toBe(true);
  sink.event(event({ userId: "u" }), "3");
  expect(fill.isFilling).toBe(false);
  const resume = (resumeAfter: string | undefined) => subscribe("s", "u", new FakeSink(), { resumeAfter }).serverTime.resumed;
  for (const cursor of ["1", "2", "3", "4"]) expect(resume(idAt(cursor))).toBe(true);
  expect(resume(idAt("5"))).toBe(false);
});

/** The id of an event that a gateway sent at this cursor before the restart. */
function idAt(cursor: string): string | undefined {
  const { hub, subscribe } = createHub();
  hub.reached(cursor);
  return subscribe("s", "u").ids[0];
}

test("nothing is to be filled if no message came after the start of the checkpoint", async () => {
  const { fill, sink } = filling({ from: "7", last: "7", reached: "7" });
  expect([fill.isFilling, fill.startCursor]).toEqual([false, "7"]);
  await fill.wait();
  sink.event(event({ userId: "u" }), "8");
  expect(fill.isFilling).toBe(false);
});

test("a revocation of before the restart is skipped, a later one is applied", () => {
  const { sink, revoked, looksUpAgain } = filling({ from: "1", last: "3", reached: "3" });
  sink.revoke({ userId: "u" }, "2");
  sink.revoke({ deviceSessionId: "s" }, "3");
  expect(revoked).toEqual([]);
  sink.revoke({ userId: "u" }, "4");
  expect([revoked, looksUpAgain]).toEqual([[{ userId: "u" }], []]);
});

test("a checkpoint is stored again while the feed is quiet, and at the stop, also if nothing came since the start", async () => {
  const { clock, fill, saved } = filling({ from: "7", last: "7", reached: "9" });
  clock.advance(AGE_MS / 2);
  await until(() => saved.length === 1, "the checkpoint of a quiet feed");
  fill.stop();
  expect(saved).toEqual(Array(2).fill({ from: "7", last: "7", reached: "9" }));
});

test("if the last message does not come within 5 s of the feed, the fill ends, and all sessions are looked up again", async () => {
  const { fill, sink, looksUpAgain } = filling({ from: "1", last: "3", reached: "3" });
  fill.feedUp();
  sink.revoke({ userId: "u" }, "2");
  await until(() => !fill.isFilling, "the end of the fill", 8000);
  expect(looksUpAgain).toEqual(["all"]);
});
