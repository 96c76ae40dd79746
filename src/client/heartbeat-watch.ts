import { numberMember } from "./json.ts";
import type { StreamTiming } from "./stream-timing.ts";
import type { VerifiedEvent } from "./verify.ts";

/** Minimum heartbeat interval, in ms. If the gateway announces a shorter interval, the client uses this minimum. */
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 10 * 60_000;
/** Number of ms that the client adds to two heartbeat intervals, because a heartbeat may be late. */
const SLACK_MS = 1000;

/**
 * Returns the maximum silence, in ms: twice the heartbeat interval that the first event of a stream announces, plus `SLACK_MS`.
 */
export function silenceMsOf({ payload }: VerifiedEvent): number {
  const announcedMs = numberMember(payload, "heartbeat_interval_ms") ?? INTERVAL_MS_MAX;
  return 2 * Math.min(Math.max(announcedMs, INTERVAL_MS_MIN), INTERVAL_MS_MAX) + SLACK_MS;
}

export interface HeartbeatLimits {
  /** Maximum time until the first event, in ms. */
  readonly firstEventMs: number;
  /** Maximum silence after the first event, in ms. Default: the result of `silenceMsOf` for the first event. */
  readonly silenceMs?: number | undefined;
}

/**
 * Watches one stream for silence. The first event is signed and announces the heartbeat interval.
 *
 * A late heartbeat does not end the silence, because a proxy that buffers a stream delivers many old heartbeats at once.
 */
export class HeartbeatWatch {
  readonly #timing: StreamTiming;
  readonly #limits: HeartbeatLimits;
  readonly #onSilence: () => void;
  #cancel: () => void;
  #silenceMs: number;
  #seenAtMs: number;
  /** The gateway's time minus the monotonic time of this device, in ms. It is measured at the first event. */
  #offsetMs = 0;

  constructor(timing: StreamTiming, limits: HeartbeatLimits, onSilence: () => void) {
    this.#timing = timing;
    this.#limits = limits;
    this.#onSilence = onSilence;
    this.#silenceMs = limits.firstEventMs;
    this.#seenAtMs = timing.now();
    this.#cancel = timing.after(this.#silenceMs, onSilence);
  }

  /** Restarts the silence timer and returns true. If the event is a late heartbeat, does not restart it and returns false. */
  saw(event: VerifiedEvent): boolean {
    if (event.eventType === "gateway.server_time") this.#readInterval(event);
    const ageMs = this.#timing.monotonic() + this.#offsetMs - event.timestampMs;
    if (event.eventType === "gateway.heartbeat" && ageMs > this.#silenceMs) return false;
    this.#seenAtMs = this.#timing.now();
    this.#cancel();
    this.#cancel = this.#timing.after(this.#silenceMs, this.#onSilence);
    return true;
  }

  /**
   * Returns true if the last event is too old. Call it after a sleep of the device or a freeze of the page, because timers stop
   * meanwhile.
   */
  isStale(): boolean {
    return Math.abs(this.#timing.now() - this.#seenAtMs) > this.#silenceMs;
  }

  stop(): void {
    this.#cancel();
  }

  #readInterval(first: VerifiedEvent): void {
    this.#silenceMs = this.#limits.silenceMs ?? silenceMsOf(first);
    this.#offsetMs = (numberMember(first.payload, "server_time_ms") ?? first.timestampMs) - this.#timing.monotonic();
  }
}
