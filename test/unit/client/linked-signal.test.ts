import { expect, test } from "bun:test";
import { linkSignals } from "../../../src/client/linked-signal.ts";

test("a linked signal aborts with the first of its signals, and with its reason", () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const { signal } = linkSignals(one.signal, undefined, other.signal);
  expect(signal.aborted).toBe(false);
  other.abort("left");
  one.abort("later");
  expect([signal.aborted, signal.reason]).toEqual([true, "left"]);
  expect(linkSignals(undefined, one.signal).signal.reason).toBe("later");
  expect(linkSignals().signal.aborted).toBe(false);
});

test("a signal that lives long keeps nothing of the calls that it was linked to", () => {
  const counts = { added: 0, removed: 0 };
  const longLived = new AbortController().signal;
  const [add, remove] = [longLived.addEventListener.bind(longLived), longLived.removeEventListener.bind(longLived)];
  longLived.addEventListener = (...args: Parameters<typeof add>) => {
    counts.added++;
    add(...args);
  };
  longLived.removeEventListener = (...args: Parameters<typeof remove>) => {
    counts.removed++;
    remove(...args);
  };
  for (let call = 0; call < 5; call++) linkSignals(longLived).unlink();
  expect(counts).toEqual({ added: 5, removed: 5 });
});
