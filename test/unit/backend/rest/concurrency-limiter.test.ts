import { expect, test } from "bun:test";
import { ConcurrencyLimiter } from "../../../../src/backend/rest/concurrency-limiter.ts";

const never = new AbortController().signal;

test("calls beyond the bound wait their turn, first come first served", async () => {
  const slots = new ConcurrencyLimiter(2);
  expect(slots.take(never)).toBe(true);
  expect(slots.take(never)).toBe(true);
  const served: string[] = [];
  const third = Promise.resolve(slots.take(never)).then(() => served.push("third"));
  const fourth = Promise.resolve(slots.take(never)).then(() => served.push("fourth"));
  slots.release();
  await third;
  expect(served).toEqual(["third"]);
  slots.release();
  await fourth;
  expect(served).toEqual(["third", "fourth"]);
});

test("a caller that left the line does not cost the next one its slot", async () => {
  const slots = new ConcurrencyLimiter(1);
  slots.take(never);
  const leaving = new AbortController();
  const left = Promise.resolve(slots.take(leaving.signal));
  const stays = Promise.resolve(slots.take(never));
  leaving.abort(new Error("left"));
  expect(left).rejects.toThrow("left");
  expect(Promise.resolve(slots.take(AbortSignal.abort(new Error("never came"))))).rejects.toThrow("never came");
  slots.release();
  expect(await stays).toBe(true);
  slots.release();
  expect(slots.take(never)).toBe(true);
});

test("a line that is full refuses at once instead of growing", async () => {
  const slots = new ConcurrencyLimiter(1);
  slots.take(never);
  const leaving = new AbortController();
  const line = Array.from({ length: 4096 }, () => Promise.resolve(slots.take(leaving.signal)));
  expect(slots.take(never)).toBe(false);
  leaving.abort();
  expect((await Promise.allSettled(line)).every((waiter) => waiter.status === "rejected")).toBe(true);
  const next = slots.take(never);
  slots.release();
  expect(await next).toBe(true);
});
