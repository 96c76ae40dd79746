import { expect, test } from "bun:test";
import { CheckpointRecorder } from "../../../../src/backend/feed/checkpoint-recorder.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const AGE_MS = 300_000;

function recorder() {
  const clock = new ManualClock(0);
  return { clock, recorder: new CheckpointRecorder(clock, AGE_MS) };
}

test("a checkpoint starts about the age of the history ago, and ends at the last cursor", () => {
  const { clock, recorder: marks } = recorder();
  for (let second = 0; second <= 1000; second++) {
    marks.record(`c-${second}`, false);
    if (second < 1000) clock.advance(1000);
  }
  const { from = "", last } = marks.current() ?? {};
  expect(last).toBe("c-1000");
  const age = 1000 - Number(from.slice(2));
  expect(age).toBeGreaterThanOrEqual(AGE_MS / 1000);
  expect(age).toBeLessThan(AGE_MS / 1000 + 10);
});

test("a feed that was quiet for longer than the age still has a checkpoint", () => {
  const { clock, recorder: marks } = recorder();
  marks.record("c-1", false);
  clock.advance(10 * AGE_MS);
  expect(marks.current()).toEqual({ from: "c-1", last: "c-1", reached: "c-1" });
  marks.record("c-2", false);
  expect(marks.current()).toEqual({ from: "c-1", last: "c-2", reached: "c-2" });
  clock.advance(AGE_MS);
  marks.record("c-3", false);
  expect(marks.current()).toEqual({ from: "c-2", last: "c-3", reached: "c-3" });
});

test("no checkpoint reaches back beyond a gap", () => {
  const { recorder: marks } = recorder();
  expect(marks.current()).toBeUndefined();
  marks.record("c-1", false);
  marks.clear();
  expect(marks.current()).toBeUndefined();
  marks.record("c-9", false);
  expect(marks.current()).toEqual({ from: "c-9", last: "c-9", reached: "c-9" });
});

test("a keepalive is no last message, because the backend does not send it again", () => {
  const { clock, recorder: marks } = recorder();
  marks.record("k-1", true);
  expect(marks.current()).toEqual({ from: "k-1", last: "k-1", reached: "k-1" });
  marks.record("c-2", false);
  marks.record("k-3", true);
  expect(marks.current()).toEqual({ from: "k-1", last: "c-2", reached: "k-3" });
  clock.advance(AGE_MS);
  marks.record("k-4", true);
  clock.advance(AGE_MS);
  marks.record("k-5", true);
  expect(marks.current()).toEqual({ from: "k-4", last: "k-4", reached: "k-5" });
});
