import type { JsonValue } from "@bufbuild/protobuf";
import type { RefusalInfo } from "./errors.ts";
import { numberMember } from "./json.ts";

export interface GatewayClockOptions {
  /** The device's clock, in Unix ms. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** The largest error of the device's clock that is corrected, in ms. Default: one day. */
  readonly clockOffsetMaxMs?: number | undefined;
}

/** The times in the payload of a verified `gateway.server_time`. */
export interface ServerTime {
  /** Unix ms. */
  readonly nowMs: number;
  readonly freshnessWindowMs: number | undefined;
  /** Unix ms. Since this time, the gateway admits no request with an earlier timestamp. */
  readonly admitsSinceMs: number;
}

/** Whether the gateway cannot have admitted a request with this timestamp at any time within the last `elapsedMs`. */
export function cannotHaveBeenAdmitted(timestampMs: number, elapsedMs: number, serverTime: ServerTime): boolean {
  const { nowMs, freshnessWindowMs, admitsSinceMs } = serverTime;
  if (freshnessWindowMs === undefined) return false;
  const sentAtMs = nowMs - elapsedMs;
  if (admitsSinceMs <= sentAtMs && timestampMs < admitsSinceMs) return true;
  return timestampMs < sentAtMs - freshnessWindowMs || timestampMs > nowMs + freshnessWindowMs;
}

const OFFSET_MS_MAX = 24 * 60 * 60 * 1000;

/**
 * Estimates the gateway's clock from signed `gateway.server_time` events. Until the first one it is the device's clock.
 *
 * A refusal is not signed, so a man in the middle can claim any time in it. A claimed time is used to sign a subscription, never a command:
 * proto/README.md, "Clock and repeats".
 */
export class GatewayClock {
  readonly #deviceNow: () => number;
  readonly #offsetMaxMs: number;
  #offsetMs = 0;

  constructor(options: GatewayClockOptions = {}) {
    this.#deviceNow = options.now ?? Date.now;
    this.#offsetMaxMs = options.clockOffsetMaxMs ?? OFFSET_MS_MAX;
  }

  /** Unix ms by the gateway's clock. */
  now(): number {
    return Math.round(this.#deviceNow() + this.#offsetMs);
  }

  /**
   * Starts a stopwatch and returns a function that reads it, in ms. It takes the larger of two clocks: the monotonic clock can stop while
   * the device sleeps, and the wall clock can be set back.
   */
  stopwatch(): () => number {
    const [wallMs, monotonicMs] = [this.#deviceNow(), performance.now()];
    return () => Math.max(this.#deviceNow() - wallMs, performance.now() - monotonicMs);
  }

  /** The unverified time of a `TIMESTAMP_OUT_OF_WINDOW` refusal, in Unix ms; `undefined` if there is none or the clock error is too large. */
  claimedTime(refusal: RefusalInfo | undefined): number | undefined {
    if (refusal?.reason !== "TIMESTAMP_OUT_OF_WINDOW") return undefined;
    const claimedMs = Number(refusal.metadata["server_time_ms"] || Number.NaN);
    return this.#isWithinBound(claimedMs) ? claimedMs : undefined;
  }

  /** Sets the clock from the payload of a verified `gateway.server_time`. Returns `undefined` and changes nothing if the clock error is too large. */
  confirm(payload: JsonValue | undefined): ServerTime | undefined {
    const nowMs = numberMember(payload, "server_time_ms");
    if (nowMs === undefined || !this.#isWithinBound(nowMs)) return undefined;
    this.#offsetMs = nowMs - this.#deviceNow();
    const freshnessWindowMs = numberMember(payload, "freshness_window_ms");
    const admitsSinceMs = numberMember(payload, "admits_since_ms") ?? Number.NEGATIVE_INFINITY;
    return { nowMs, freshnessWindowMs, admitsSinceMs };
  }

  #isWithinBound(unixMs: number): boolean {
    return Number.isSafeInteger(unixMs) && unixMs > 0 && Math.abs(unixMs - this.#deviceNow()) <= this.#offsetMaxMs;
  }
}
