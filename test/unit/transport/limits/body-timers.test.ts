import { expect, test } from "bun:test";
import { BodyTimers } from "../../../../src/transport/limits/body-timers.ts";

const LONG_MS = 60_000;

test("a drain shortens the timers of bodies that are being received, and of later ones", async () => {
  const timers = new BodyTimers(LONG_MS);
  const running = new Promise<number>((resolve) => timers.start(resolve));
  timers.drain(5);
  expect(await running).toBe(5);
  expect(await new Promise<number>((resolve) => timers.start(resolve))).toBe(5);
});

test("a drain does not lengthen the timers", async () => {
  const timers = new BodyTimers(5);
  const running = new Promise<number>((resolve) => timers.start(resolve));
  timers.drain(LONG_MS);
  expect(await running).toBe(5);
});

test("a stopped timer does not run out, also after a drain", async () => {
  const timers = new BodyTimers(LONG_MS);
  let isLate = false;
  const stopped = timers.start(() => {
    isLate = true;
  });
  timers.stop(stopped);
  timers.drain(1);
  await new Promise<number>((resolve) => timers.start(resolve));
  expect(isLate).toBe(false);
});
