import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/telemetry.ts";
import type { Hub } from "../hub/hub.ts";
import { spread } from "../hub/spread.ts";
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
  readonly hub: Pick<Hub, "beginEnd" | "refuseStreams" | "endStreams">;
  /**
   * Refuses new calls, and stops accepting connections. Resolves when all running calls are answered. `streams` is the number
   * of streams that were open when the gateway began to end them.
   */
  readonly drainListeners: (streams: number) => Promise<void>;
  /**
   * Set if a successor has taken over. `retire` closes the ports and leaves all connections open. `handOver` sends the kept
   * answers to the successor. `handOver` is called when all calls are answered, or after `deadlineMs`.
   */
  readonly succession?: { readonly retire: () => void; readonly handOver: () => Promise<void> } | undefined;
  /** Closes all parts of the gateway. */
  readonly close: () => Promise<void>;
  readonly readiness: Readiness;
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: Log;
}

/**
 * Minimum time for which a process that was replaced serves its open connections, in ms. If a client sends a request within this
 * time, the gateway tells it to open another connection (see `Listener.retire`).
 */
const RETIREMENT_MS_MIN = 1000;

/**
 * Stops the gateway in these steps:
 *
 * 1. For `drainMs`, the gateway reports that it is not ready, but everything still works.
 * 2. For `spreadMs`, the streams end with SHUTTING_DOWN, one after the other. Commands still work.
 * 3. New calls are refused. Running calls are answered, for at most `deadlineMs`.
 * 4. Everything is closed.
 */
export class Stop {
  #phase: "serving" | "draining" | "stopping" | "replaced" = "serving";

  /** Whether new calls are refused. */
  isStopping(): boolean {
    return this.#phase === "stopping";
  }

  /** The reasons why the gateway is not ready. */
  notReady(): string[] {
    return this.#phase === "serving" ? [] : ["shutting down"];
  }

  /** Stops the gateway. Resolves to `false` if calls were aborted at the deadline. */
  async run(parts: StopParts): Promise<boolean> {
    if (parts.succession !== undefined) return this.#replace(parts, parts.succession);
    const { settings, hub, drainListeners, close, readiness, clock, sleep, log } = parts;
    const { drainMs, spreadMs, deadlineMs } = settings;
    this.#phase = "draining";
    readiness.changed();
    if (drainMs > 0) {
      log.info("gateway draining", { drain_ms: drainMs });
      await sleep(drainMs);
    }
    hub.refuseStreams();
    const streams = await spread(hub, spreadMs, { clock, sleep });
    this.#phase = "stopping";
    hub.endStreams();
    const inTime = await within(deadlineMs, drainListeners(streams));
    await close();
    log.info("gateway stopped", { within_deadline: inTime });
    return inTime;
  }

  /**
   * Stops this process after its successor has taken over. New connections go to the successor.
   *
   * Calls on open connections are still answered. New streams on open connections are refused when the open streams have
   * ended and `RETIREMENT_MS_MIN` has passed.
   */
  async #replace(
    { settings, hub, drainListeners, close, readiness, clock, sleep, log }: StopParts,
    { retire, handOver }: NonNullable<StopParts["succession"]>,
  ): Promise<boolean> {
    this.#phase = "replaced";
    try {
      retire();
    } catch (error) {
      log.error("ports not closed after upgrade", { cause: messageOf(error) });
    }
    readiness.changed();
    const [streams] = await Promise.all([spread(hub, settings.spreadMs, { clock, sleep }), sleep(RETIREMENT_MS_MIN)]);
    hub.refuseStreams(true);
    hub.endStreams();
    const inTime = await within(settings.deadlineMs, drainListeners(streams));
    await handOver();
    await close();
    log.info("gateway stopped", { within_deadline: inTime });
    return inTime;
  }
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
