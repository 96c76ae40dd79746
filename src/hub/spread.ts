import type { Clock } from "../core/clock.ts";

/** The streams that `spread` ends. */
export interface EndingStreams {
  /** Call this when the end of the streams begins. Returns their number. */
  beginEnd(): number;
  /** Ends the `count` oldest streams. */
  endStreams(count: number): void;
}

export interface SpreadTimer {
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Time between two steps, in ms. Each step ends a part of the streams. */
const STEP_MS = 25;

/**
 * Ends the streams evenly over `spreadMs`, so that their clients do not all reconnect at the same moment. Returns the number of
 * streams at the start.
 */
export async function spread(streams: EndingStreams, spreadMs: number, { clock, sleep }: SpreadTimer): Promise<number> {
  const total = streams.beginEnd();
  const startedMs = clock.monotonic();
  let ended = 0;
  for (let elapsedMs = 0; elapsedMs < spreadMs && ended < total; elapsedMs = clock.monotonic() - startedMs) {
    const due = Math.floor((total * elapsedMs) / spreadMs);
    streams.endStreams(due - ended);
    ended = due;
    await sleep(Math.min(STEP_MS, spreadMs - elapsedMs));
  }
  return total;
}
