import { expect, test } from "bun:test";
import fc from "fast-check";
import { admit } from "../../../src/pipeline/pipeline.ts";
import { MemoryReplayStore } from "../../../src/stores/memory/replay.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { createPorts, incomingRequest, MARGIN_MS, NOW, WINDOW_MS } from "./support/fixture.ts";

interface Step {
  readonly advanceMs: number;
  /** Index of the request that is sent after that. */
  readonly request: number;
}

const REQUESTS = 3;
const ANY_STEPS = fc.array(
  fc.record({
    advanceMs: fc.oneof(
      fc.integer({ min: -MARGIN_MS, max: WINDOW_MS }),
      fc.integer({ min: -5 * WINDOW_MS, max: 5 * WINDOW_MS }),
      fc.constantFrom(0, WINDOW_MS, MARGIN_MS, -MARGIN_MS, -WINDOW_MS - MARGIN_MS),
    ),
    request: fc.integer({ min: 0, max: REQUESTS - 1 }),
  }),
  { maxLength: 60 },
);

/** The store has room for two reservations only, so expired ones are really forgotten. */
async function timesAdmitted(steps: readonly Step[]): Promise<number[]> {
  const clock = new ManualClock(NOW);
  const { ports } = createPorts({ clock, replay: new MemoryReplayStore(clock, { entriesMax: 2 }), replayCoverageStartMs: NOW });
  const signed = Array.from({ length: REQUESTS }, (_, n) =>
    incomingRequest({ envelope: { requestId: `request-${n}`, timestampMs: BigInt(NOW + n * MARGIN_MS) } }),
  );
  const admitted = signed.map(() => 0);
  for (const { advanceMs, request } of steps) {
    clock.step(advanceMs);
    const sent = signed[request];
    const isAdmitted =
      sent !== undefined &&
      (await admit(sent, ports).then(
        () => true,
        () => false,
      ));
    if (isAdmitted) admitted[request] = (admitted[request] ?? 0) + 1;
  }
  return admitted;
}

test("no request is admitted twice for any steps of the clock: its reservation outlives its freshness", async () => {
  await fc.assert(
    fc.asyncProperty(ANY_STEPS, async (steps) => {
      for (const times of await timesAdmitted(steps)) expect(times).toBeLessThanOrEqual(1);
    }),
    { numRuns: 200 },
  );
});
