/**
 * `bun shared-hammer.ts PATH`: reserves request ids and takes tokens as fast as it can, until it is killed. Writes `r <id>` for each
 * reservation that it got, `t` for each token, and `slow <ms>` for an operation that took longer than `SLOW_MS`.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../src/core/clock.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { openStoresAt } from "../../support/shared-stores.ts";
import { HAMMER_IDS, hammerDemands, SHARED_SETTINGS } from "../support/shared-settings.ts";

/** A lock of a killed process delays others for at most a second. On a busy machine, the process itself may also have to wait. */
const SLOW_MS = 4000;
/** Operations between two turns of the event loop. */
const BATCH = 2000;

const [path = ""] = process.argv.slice(2);
const { replay, buckets } = openStoresAt(path, SHARED_SETTINGS, systemClock);
const expiresAtMs = Math.ceil((systemClock.now() + 3_600_000) / 3_600_000) * 3_600_000 + 3_600_000;

/** Returns false if the request was reserved before, or if the store refuses it because a killed process has not ended yet. */
async function reserve(id: number): Promise<boolean> {
  try {
    return await replay.reserve("session", `request-${id}`, expiresAtMs);
  } catch (error) {
    if (error instanceof Refusal && error.reason === "REPLAY_STORE_UNAVAILABLE") return false;
    throw error;
  }
}

for (;;) {
  for (let n = 0; n < BATCH; n++) {
    const id = Math.floor(Math.random() * HAMMER_IDS);
    const startedMs = systemClock.monotonic();
    const isReserved = await reserve(id);
    const outcome = await buckets.take(hammerDemands(id % 7), systemClock.now());
    const tookMs = systemClock.monotonic() - startedMs;
    if (tookMs > SLOW_MS) writeSync(1, `slow ${tookMs}\n`);
    if (isReserved) writeSync(1, `r ${id}\n`);
    if (outcome === true) writeSync(1, `t ${id % 7}\n`);
  }
  await Bun.sleep(0);
}
