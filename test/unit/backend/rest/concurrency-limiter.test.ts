import { expect, test } from "bun:test";
import { ConcurrencyLimiter } from "../../../../src/backend/rest/concurrency-limiter.ts";

const never = new AbortController().signal;

test("calls above the limit wait in a first-in, first-out queue", async () => {
  const limiter = new ConcurrencyLimiter(2, 8);
  expect(limiter.acquire(never)).toBe(true);
  expect(limiter.acquire(never)).toBe(true);
  const served: string[] = [];
  const third = Promise.resolve(limiter.acquire(never)).then(() => served.push("third"));
  const fourth = Promise.resolve(limiter.acquire(never)).then(() => served.push("fourth"));
  limiter.release();
  await third;
  expect(served).toEqual(["third"]);
  limiter.release();
  await fourth;
  expect(served).toEqual(["third", "fourth"]);
});

test("an aborted waiter does not consume a permit", async () => {
  const limiter = new ConcurrencyLimiter(1, 4096);
  limiter.acquire(never);
  const leaving = new AbortController();
  const left = Promise.resolve(limiter.acquire(leaving.signal));
  const stays = Promise.resolve(limiter.acquire(never));
  leaving.abort(new Error("left"));
  expect(left).rejects.toThrow("left");
  expect(Promise.resolve(limiter.acquire(AbortSignal.abort(new Error("never came"))))).rejects.toThrow("never came");
  limiter.release();
  expect(await stays).toBe(true);
  limiter.release();
  expect(limiter.acquire(never)).toBe(true);
});

test("a full queue rejects further calls immediately", async () => {
  const limiter = new ConcurrencyLimiter(1, 4096);
  limiter.acquire(never);
  const leaving = new AbortController();
  const line = Array.from({ length: 4096 }, () => Promise.resolve(limiter.acquire(leaving.signal)));
  expect(limiter.acquire(never)).toBe(false);
  leaving.abort();
  expect((await Promise.allSettled(line)).every((waiter) => waiter.status === "rejected")).toBe(true);
  const next = limiter.acquire(never);
  limiter.release();
  expect(await next).toBe(true);
});
