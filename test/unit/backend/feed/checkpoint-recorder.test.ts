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
    marks.record(`c-${second}`);
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
  marks.record("c-1");
  clock.advance(10 * AGE_MS);
  expect(marks.current()).toEqual({ from: "c-1", last: "c-1" });
  marks.record("c-2");
  expect(marks.current()).toEqual({ from: "c-1", last: "c-2" });
  clock.advance(AGE_MS);
  marks.record("c-3");
  expect(marks.current()).toEqual({ from: "c-2", last: "c-3" });
});

test("no checkpoint reaches back beyond a gap", () => {
  const { recorder: marks } = recorder();
  expect(marks.current()).toBeUndefined();
  marks.record("c-1");
  marks.clear();
  expect(marks.current()).toBeUndefined();
  marks.record("c-9");
  expect(marks.current()).toEqual({ from: "c-9", last: "c-9" });
});
