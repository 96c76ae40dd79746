import { expect, test } from "bun:test";
import { RedisHealth } from "../../../../src/stores/redis/health.ts";

const RESERVED_MS = 65_000;

function setUp() {
  const time = { ms: 0 };
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const health = new RedisHealth({
    clock: { now: () => time.ms, monotonic: () => time.ms },
    log: { debug: note, info: note, warn: note, error: note },
    reservedForMs: RESERVED_MS,
    marginMs: 5000,
  });
  return { health, time, lines };
}

test("a fence keeps requests out for as long as new ones would end before it, and is told of once", () => {
  const { health, time, lines } = setUp();
  health.fenceIsIn(RESERVED_MS + 3000);
  health.fenceIsIn(RESERVED_MS + 2000);
  expect(health.notReady()).toHaveLength(1);
  expect(lines).toHaveLength(1);
  time.ms = 2000;
  expect(health.notReady()).toHaveLength(1);
  time.ms = 2001;
  expect(health.notReady()).toEqual([]);
});

test("a fence that is taken back lets them in at once", () => {
  const { health } = setUp();
  health.fenceIsIn(RESERVED_MS + 3_600_000);
  health.fenceIsIn(0);
  expect(health.notReady()).toEqual([]);
});
