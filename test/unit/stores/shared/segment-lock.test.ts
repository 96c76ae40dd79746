import { expect, test } from "bun:test";
import { SegmentLock } from "../../../../src/stores/shared/segment-lock.ts";
import { TableBusyError } from "../../../../src/stores/table.ts";

const [SELF, HOLDER] = [1, 2];

/** A lock of another process. Each reading of the clock is a second after the one before, as on a machine without free CPUs. */
function heldLock(onCheck: (words: Int32Array) => boolean) {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = HOLDER;
  let nowMs = 0;
  const monotonic = () => {
    nowMs += 1000;
    return nowMs;
  };
  return { words, lock: new SegmentLock({ self: SELF, isRunning: () => onCheck(words), monotonic }) };
}

test("a process that was suspended while it waited still gets a lock that is released soon", () => {
  let checks = 0;
  const { words, lock } = heldLock((word) => {
    if (++checks === 5) word[0] = 0;
    return true;
  });
  expect(lock.acquire(words, 0)).toBe(false);
  expect(words[0]).toBe(SELF);
});

test("the lock of a process that runs and does not release it is an error, and stays held", () => {
  let checks = 0;
  const { words, lock } = heldLock(() => ++checks > 0);
  expect(() => lock.acquire(words, 0)).toThrow(TableBusyError);
  expect(checks).toBeLessThanOrEqual(50);
  expect(words[0]).toBe(HOLDER);
});

test("the lock of a killed process is taken over", () => {
  const { words, lock } = heldLock(() => false);
  expect(lock.acquire(words, 0)).toBe(true);
  expect(words[0]).toBe(SELF);
});
