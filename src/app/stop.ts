import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/telemetry.ts";
import type { Hub } from "../hub/hub.ts";
import type { Readiness } from "./readiness.ts";

export interface StopSettings {
  /**
   * Time for which the gateway reports that it is not ready, but works as before. During this time, load balancers begin to
   * send new clients elsewhere.
   */
  readonly drainMs: number;
  /** Time over which the streams end, one after the other. */
  readonly spreadMs: number;
  /** Maximum time for which the stop waits for running calls. */
  readonly deadlineMs: number;
}

export interface StopParts {
  readonly settings: StopSettings;
  readonly hub: Pick<Hub, "refuseStreams" | "endStreams">;
  /**
   * Refuses new calls, and stops accepting connections. Resolves when all running calls are answered. `streams` is the number
   * of streams that were open when the gateway began to end them.
   */
  readonly drainListeners: (streams: number) => Promise<void>;
  /** Closes all parts of the gateway. */
  readonly close: () => Promise<void>;
  readonly readiness: Readiness;
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: Log;
}

/** Time between two steps of `spread`, in ms. Each step ends a part of the streams. */
const SPREAD_STEP_MS = 25;

/**
 * The stop of the gateway, in this order:
 *
 * 1. For `drainMs`, the gateway is not ready. Everything still works.
 * 2. For `spreadMs`, the streams end with SHUTTING_DOWN, one after the other. Commands still work.
 * 3. New calls are refused. Running calls are answered, for at most `deadlineMs`.
 * 4. Everything is closed.
 */
export class Stop {
  #phase: "serving" | "draining" | "stopping" = "serving";

  /** Whether new calls are refused. */
  isStopping(): boolean {
    return this.#phase === "stopping";
  }

  /** The reasons why the gateway is not ready. */
  notReady(): string[] {
    return this.#phase === "serving" ? [] : ["shutting down"];
  }

  /** Stops the gateway. Resolves to `false` if calls were aborted at the deadline. */
  async run({ settings, hub, drainListeners, close, readiness, clock, sleep, log }: StopParts): Promise<boolean> {
    const { drainMs, spreadMs, deadlineMs } = settings;
    this.#phase = "draining";
    readiness.changed();
    if (drainMs > 0) {
      log.info("gateway draining", { drain_ms: drainMs });
      await sleep(drainMs);
    }
    const streams = await spread(hub, spreadMs, { clock, sleep });
    this.#phase = "stopping";
    hub.endStreams();
    const inTime = await within(deadlineMs, drainListeners(streams));
    await close();
    log.info("gateway stopped", { in_time: inTime });
    return inTime;
  }
}

/**
 * Ends the streams evenly over `spreadMs`, so that their clients do not all reconnect at the same moment. Returns the number of
 * streams at the start.
 */
async function spread(
  hub: StopParts["hub"],
  spreadMs: number,
  { clock, sleep }: Pick<StopParts, "clock" | "sleep">,
): Promise<number> {
  const total = hub.refuseStreams();
  const startedMs = clock.monotonic();
  let ended = 0;
  for (let elapsedMs = 0; elapsedMs < spreadMs && ended < total; elapsedMs = clock.monotonic() - startedMs) {
    const due = Math.floor((total * elapsedMs) / spreadMs);
    hub.endStreams(due - ended);
    ended = due;
    await sleep(Math.min(SPREAD_STEP_MS, spreadMs - elapsedMs));
  }
  return total;
}

/** Resolves to `true` if `work` succeeds within `ms`. Resolves to `false` if `work` fails or takes longer. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  work.then(
    () => resolve(true),
    () => resolve(false),
  );
  const inTime = await promise;
  clearTimeout(timer);
  return inTime;
}
