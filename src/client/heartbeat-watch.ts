import { numberMember } from "./json.ts";
import type { StreamTiming } from "./stream-timing.ts";
import type { VerifiedEvent } from "./verify.ts";

/** Bounds of the heartbeat interval that a gateway announces, in ms. */
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 10 * 60_000;
/** Added to two heartbeat intervals, in ms, because a heartbeat may be late. */
const SLACK_MS = 1000;

/** Returns the maximum silence that the first event of a stream announces: about two heartbeat intervals, in ms. */
export function silenceMsOf({ payload }: VerifiedEvent): number {
  const announcedMs = numberMember(payload, "heartbeat_interval_ms") ?? INTERVAL_MS_MAX;
  return 2 * Math.min(Math.max(announcedMs, INTERVAL_MS_MIN), INTERVAL_MS_MAX) + SLACK_MS;
}

export interface HeartbeatLimits {
  /** Maximum time until the first event, in ms. */
  readonly firstEventMs: number;
  /** Maximum silence after the first event, in ms. Default: about two heartbeat intervals, as the first event announces. */
  readonly silenceMs?: number | undefined;
}

/**
 * Watches one stream for silence. The first event announces the heartbeat interval and is signed.
 *
 * A heartbeat that arrives late does not count: a proxy that buffers a stream delivers many heartbeats at once.
 */
export class HeartbeatWatch {
  readonly #timing: StreamTiming;
  readonly #limits: HeartbeatLimits;
  readonly #onSilence: () => void;
  #cancel: () => void;
  #silenceMs: number;
  #seenAtMs: number;
  /** The gateway's time minus the monotonic time, from the first event. */
  #offsetMs = 0;

  constructor(timing: StreamTiming, limits: HeartbeatLimits, onSilence: () => void) {
    this.#timing = timing;
    this.#limits = limits;
    this.#onSilence = onSilence;
    this.#silenceMs = limits.firstEventMs;
    this.#seenAtMs = timing.now();
    this.#cancel = timing.after(this.#silenceMs, onSilence);
  }

  /** Restarts the watch and returns true. For a heartbeat that arrived late, only returns false. */
  saw(event: VerifiedEvent): boolean {
    if (event.eventType === "gateway.server_time") this.#readInterval(event);
    const ageMs = this.#timing.monotonic() + this.#offsetMs - event.timestampMs;
    if (event.eventType === "gateway.heartbeat" && ageMs > this.#silenceMs) return false;
    this.#seenAtMs = this.#timing.now();
    this.#cancel();
    this.#cancel = this.#timing.after(this.#silenceMs, this.#onSilence);
    return true;
  }

  /** Checks the silence now, not by a timer. Timers stop while a device sleeps or a page is frozen. */
  check(): void {
    if (Math.abs(this.#timing.now() - this.#seenAtMs) > this.#silenceMs) this.#onSilence();
  }

  stop(): void {
    this.#cancel();
  }

  #readInterval(first: VerifiedEvent): void {
    this.#silenceMs = this.#limits.silenceMs ?? silenceMsOf(first);
    this.#offsetMs = (numberMember(first.payload, "server_time_ms") ?? first.timestampMs) - this.#timing.monotonic();
  }
}
