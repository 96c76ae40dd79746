import type { Clock } from "../core/clock.ts";

export interface EndingStreams {
  /** Called by `spread` before it ends the first stream. Returns the number of open streams. */
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
/** Maximum rate at which overdue streams end after a pause of the process, as a multiple of the average rate. */
const CATCH_UP = 1.4;
/** Length of a pause of the process, in ms. After a longer pause, a step ends no more streams than after this pause. */
const LATE_STEP_MS = 100;

/**
 * Ends the streams evenly over `spreadMs`, so that their clients do not all reconnect at the same moment. Returns the number
 * of streams at the start. When the promise resolves, some streams can still be open, for example after a long pause of the
 * process.
 */
export async function spread(streams: EndingStreams, spreadMs: number, { clock, sleep }: SpreadTimer): Promise<number> {
  const total = streams.beginEnd();
  const startedMs = clock.monotonic();
  const endedAfter = (ms: number) => (total * ms) / spreadMs;
  let ended = 0;
  let lastMs = 0;
  for (let elapsedMs = 0; elapsedMs < spreadMs && ended < total; elapsedMs = clock.monotonic() - startedMs) {
    const most = ended + Math.ceil(CATCH_UP * endedAfter(Math.min(elapsedMs - lastMs, LATE_STEP_MS)));
    const due = Math.min(Math.floor(endedAfter(elapsedMs)), most);
    streams.endStreams(due - ended);
    ended = due;
    lastMs = elapsedMs;
    await sleep(Math.min(STEP_MS, spreadMs - elapsedMs));
  }
  return total;
}
