/**
 * One process of a gateway with a shared file. `bun shared-store.ts PATH`: answers the calls that arrive as messages, in order.
 *
 * Its clock is the time in each message.
 */
import type { HeldCounts } from "../../../src/core/held-counts.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { openStoresAt } from "../../support/shared-stores.ts";
import type { SharedCall, SharedResult } from "../support/shared-processes.ts";
import { SHARED_SETTINGS } from "../support/shared-settings.ts";

const [path = ""] = process.argv.slice(2);
const clock = new ManualClock(0);
const stores = openStoresAt(path, SHARED_SETTINGS, clock);

process.on("message", ({ id, nowMs, call }: SharedCall) => {
  clock.step(nowMs - clock.now());
  process.send?.({ id, ...answer(call, nowMs) } satisfies SharedResult);
});
process.send?.({ id: 0, value: "ready" } satisfies SharedResult);

function answer(call: SharedCall["call"], nowMs: number): Omit<SharedResult, "id"> {
  const shadowRefusals: string[] = [];
  try {
    switch (call.method) {
      case "reserve":
        return { value: stores.replay.reserve(...call.args) };
      case "take":
        return { value: stores.buckets.take(call.demands, nowMs, (scope) => void shadowRefusals.push(scope)), shadowRefusals };
      case "spend":
        return { value: stores.buckets.spend(call.demands, nowMs) };
      case "held":
        return { value: counts(call.key).held(call.key) };
      case "tryAdd":
        return { value: counts(call.key).tryAdd(call.key, call.amount, call.max) };
      case "remove":
        return { value: counts(call.key).remove(call.key, call.amount) };
      case "removeOver":
        return { value: counts(call.key).removeOver(call.key, call.max) };
      case "check":
        return { value: stores.buckets.check(call.demand, nowMs, call.tokens) };
    }
  } catch (error) {
    return { refusal: error instanceof Refusal ? error.reason : String(error) };
  }
}

/** Keys that start with "permit" are counted as failure permits, all others as connections. */
function counts(key: string): HeldCounts {
  return key.startsWith("permit") ? stores.heldPermits : stores.heldConnections;
}
