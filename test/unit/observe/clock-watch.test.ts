import { expect, test } from "bun:test";
import { ClockWatch } from "../../../src/observe/clock-watch.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function watched() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const counted: string[] = [];
  const watch = new ClockWatch({
    clock,
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    },
    metrics: { gauge() {}, observe() {}, count: (name, labels) => void counted.push(`${name} ${labels?.["direction"]}`) },
  });
  const pass = (wallMs: number, monotonicMs = wallMs) => {
    clock.advance(monotonicMs);
    clock.step(wallMs - monotonicMs);
    watch.check();
  };
  return { pass, lines, counted };
}

test("a clock step is logged and counted once, with direction and amount", () => {
  const { pass, lines, counted } = watched();
  pass(1000 - 3_600_000, 1000);
  pass(1000);
  pass(61_000, 1000);
  pass(1000);
  expect(lines).toEqual([
    'wall clock step {"direction":"back","by_ms":3600000}',
    'wall clock step {"direction":"forward","by_ms":60000}',
  ]);
  expect(counted).toEqual(["sallyport_clock_jumps_total back", "sallyport_clock_jumps_total forward"]);
});

test("a busy process and a day of slewing are not reported as steps", () => {
  const { pass, lines } = watched();
  pass(30_000);
  for (let second = 0; second < 86_400; second++) pass(1000.5, 1000);
  expect(lines).toEqual([]);
});

test("repeated small backward steps are reported", () => {
  const { pass, lines } = watched();
  for (let step = 0; step < 60; step++) pass(1000 - 499, 1000);
  expect(lines).toHaveLength(30);
});
