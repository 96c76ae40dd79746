import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/telemetry.ts";
import { spread } from "../hub/spread.ts";
import type { WorkerLink } from "./worker-link.ts";

/** Times of the replacement of workers, in ms. */
export interface ReplacementTimes {
  /** Maximum time until a new worker accepts connections. */
  readonly startMs: number;
  /** Time over which the streams of an old worker end, one after the other. */
  readonly spreadMs: number;
  /** Maximum time for the calls of an old worker after its streams have ended. Then the worker is killed. */
  readonly deadlineMs: number;
}

/**
 * Minimum time for which a replaced worker serves its open connections, in ms. A client that sends a request within this time
 * learns that it must open another connection.
 */
const RETIREMENT_MS_MIN = 1000;

/** Ends a worker that was replaced. Its calls are answered, and its streams end one after the other. */
export async function retireWorker(
  old: WorkerLink,
  { spreadMs, deadlineMs }: ReplacementTimes,
  { clock, log }: { readonly clock: Pick<Clock, "monotonic">; readonly log: Log },
): Promise<void> {
  // A worker that was restarted a moment ago may still be opening its ports.
  await old.started.catch(() => {});
  old.send({ type: "retire" });
  const sleep = (ms: number) => Bun.sleep(ms);
  const [streams] = await Promise.all([spread(old.streams, spreadMs, { clock, sleep }), sleep(RETIREMENT_MS_MIN)]);
  old.streams.endAll();
  old.send({ type: "stop", streams });
  const late = setTimeout(() => {
    log.warn("old worker killed at deadline", { worker: old.index, deadline_ms: deadlineMs });
    old.kill("its calls took longer than the deadline");
  }, deadlineMs);
  await old.ended;
  clearTimeout(late);
}

/** Waits until the worker accepts connections. If that takes longer than `ms`, kills the worker and throws. */
export async function startedWithin(ms: number, link: WorkerLink): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the new worker was not ready after ${ms} ms`)), ms);
  try {
    await Promise.race([link.started, late.promise]);
  } catch (cause) {
    link.kill("its start failed");
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}
