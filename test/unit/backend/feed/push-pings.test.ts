import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { PushPings } from "../../../../src/backend/feed/push-pings.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Counts pings as a gRPC server does by default (gRFC A8): each that follows another within 5 minutes is a strike; the third ends the connection. */
class StockServer {
  nowMs = 0;
  strikes = 0;
  readonly pingsAtMs: number[] = [];
  answers = true;

  readonly ping = (onAnswer: () => void): void => {
    const last = this.pingsAtMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (this.nowMs - last < 300_000) this.strikes++;
    this.pingsAtMs.push(this.nowMs);
    if (this.answers) onAnswer();
  };

  /** Advances the time in steps of one second. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1000) {
      this.nowMs += 1000;
      jest.advanceTimersByTime(1000);
    }
  }
}

function open(intervalMs = 310_000) {
  const server = new StockServer();
  let deadAtMs: number | undefined;
  const onDead = () => {
    deadAtMs = server.nowMs;
  };
  const pings = new PushPings({ intervalMs, earlyIntervalMs: 10_000, timeoutMs: 5000, ping: server.ping, onDead });
  return { server, pings, deadAtMs: () => deadAtMs };
}

test("a server that is silent for a day is pinged less often than the default ping limit", () => {
  const { server, pings, deadAtMs } = open();
  server.pass(86_400_000);
  expect(server.strikes).toBe(1);
  expect(server.pingsAtMs.slice(0, 4)).toEqual([10_000, 20_000, 330_000, 640_000]);
  expect(deadAtMs()).toBeUndefined();
  pings.stop();
});

test("a dead server is detected within 15 s of its last data, or within the interval plus 5 s after early pings", () => {
  const { server, pings, deadAtMs } = open();
  server.answers = false;
  server.pass(15_000);
  expect(deadAtMs()).toBe(15_000);
  pings.stop();
  const quiet = open();
  quiet.server.pass(21_000);
  quiet.server.answers = false;
  quiet.server.pass(400_000);
  expect(quiet.deadAtMs()).toBe(335_000);
  quiet.pings.stop();
});

test("data that arrives while a ping is unanswered proves that the connection is alive; a late answer has no effect", () => {
  const { server, pings, deadAtMs } = open();
  server.answers = false;
  server.pass(12_000);
  pings.received();
  server.pass(9000);
  expect(deadAtMs()).toBeUndefined();
  server.answers = true;
  server.pass(5000);
  expect(server.pingsAtMs).toEqual([10_000, 22_000]);
  pings.stop();
});

test("no ping is sent after stop", () => {
  const { server, pings, deadAtMs } = open();
  pings.stop();
  server.pass(600_000);
  expect(server.pingsAtMs).toEqual([]);
  expect(deadAtMs()).toBeUndefined();
});
