import { expect, test } from "bun:test";
import { RedisHealth } from "../../../../src/stores/redis/redis-health.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const RESERVED_MS = 65_000;

function setUp() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const append = (message: string) => void lines.push(message);
  const health = new RedisHealth({
    clock,
    log: { debug: append, info: append, warn: append, error: append },
    reservedForMs: RESERVED_MS,
    marginMs: 5000,
  });
  return { health, clock, lines };
}

test("a quarantine refuses requests until new reservations would outlive it, and is logged once", () => {
  const { health, clock, lines } = setUp();
  health.noteQuarantine(RESERVED_MS + 3000);
  health.noteQuarantine(RESERVED_MS + 2000);
  expect(health.notReady()).toHaveLength(1);
  expect(lines).toHaveLength(1);
  clock.advance(2000);
  expect(health.notReady()).toHaveLength(1);
  clock.advance(1);
  expect(health.notReady()).toEqual([]);
});

test("a quarantine that is lifted accepts requests immediately", () => {
  const { health } = setUp();
  health.noteQuarantine(RESERVED_MS + 3_600_000);
  health.noteQuarantine(0);
  expect(health.notReady()).toEqual([]);
});
