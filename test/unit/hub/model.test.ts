import { expect, test } from "bun:test";
import fc from "fast-check";
import { steps } from "./support/hub-steps.ts";
import { ModelRun, seedOf } from "./support/model-run.ts";

/**
 * Runs random sequences of steps on the hub and on a model of it. After every step, both must agree on the messages of each stream, the
 * reason of its end, the refusals and the resumes.
 *
 * A failure prints the seed. Replay it with the same sequences:
 *
 *     MODEL_SEED=<seed> bun test test/unit/hub/model.test.ts
 */

/** The outcomes that the sequences must produce, so that the test covers all of them. */
const ALL_OUTCOMES = [
  "SESSION_LOOKUP_UNAVAILABLE",
  "SESSION_REVOKED",
  "TOO_MANY_STREAMS session",
  "TOO_MANY_STREAMS user",
  "ended SESSION_REVOKED",
  "ended SHUTTING_DOWN",
  "ended SLOW_CONSUMER",
  "ended STREAM_EXPIRED",
  "ended client",
  "poll SESSION_REVOKED",
  "poll SHUTTING_DOWN",
  "poll answered",
  "poll client",
  "resume resync",
  "resume whole",
];

test.each([
  { name: "the hub", workers: 0, sequences: 300 },
  { name: "a hub whose streams are at three workers", workers: 3, sequences: 150 },
])(
  "$name agrees with its model after every step of random sequences",
  async ({ workers, sequences }) => {
    const seed = seedOf(process.env["MODEL_SEED"]);
    const outcomes = new Map<string, number>();
    const property = fc.asyncProperty(steps, async (sequence) => {
      const run = new ModelRun(workers);
      await run.play(sequence);
      await run.shutDown();
      for (const [name, count] of run.outcomes) outcomes.set(name, (outcomes.get(name) ?? 0) + count);
    });
    try {
      await fc.assert(property, { seed, numRuns: sequences });
      expect([...outcomes.keys()].sort()).toEqual(ALL_OUTCOMES);
    } catch (error) {
      console.error(`model test failed; replay with MODEL_SEED=${seed}`);
      throw error;
    }
  },
  60_000,
);
