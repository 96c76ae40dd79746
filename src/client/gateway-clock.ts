import type { JsonValue } from "@bufbuild/protobuf";
import type { RefusalInfo } from "./errors.ts";
import { numberMember } from "./json.ts";

export interface GatewayClockOptions {
  /** Returns the time of the device's clock, in Unix ms. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Maximum error of the device's clock that the client corrects, in ms. Default: one day. */
  readonly clockOffsetMaxMs?: number | undefined;
}

/** The times in the payload of a verified `gateway.server_time` event. */
export interface ServerTime {
  /** The time of the gateway's clock when it signed the event, in Unix ms. */
  readonly nowMs: number;
  /** The gateway's setting `freshness.window_ms`. */
  readonly freshnessWindowMs: number | undefined;
  /** A time in Unix ms. From this time on, the gateway refuses every request whose timestamp is before this time. */
  readonly admitsSinceMs: number;
}

/** Returns true if the gateway cannot have admitted a request that has this timestamp and was sent `elapsedMs` ago. */
export function cannotHaveBeenAdmitted(timestampMs: number, elapsedMs: number, serverTime: ServerTime): boolean {
  const { nowMs, freshnessWindowMs, admitsSinceMs } = serverTime;
  if (freshnessWindowMs === undefined) return false;
  const sentAtMs = nowMs - elapsedMs;
  if (admitsSinceMs <= sentAtMs && timestampMs < admitsSinceMs) return true;
  return timestampMs < sentAtMs - freshnessWindowMs || timestampMs > nowMs + freshnessWindowMs;
}

const OFFSET_MS_MAX = 24 * 60 * 60 * 1000;

/**
 * Estimates the gateway's clock from the timestamps of signed answers and events. Before the first of them, `now` returns the
 * device's time.
 *
 * A refusal also contains the gateway's time. Refusals are not signed, so a man in the middle can change this time. The client
 * signs subscriptions with this time, but never commands: proto/client.md, "Clock and repeats".
 */
export class GatewayClock {
  readonly #deviceNow: () => number;
  readonly #offsetMaxMs: number;
  #offsetMs = 0;

  constructor(options: GatewayClockOptions = {}) {
    this.#deviceNow = options.now ?? Date.now;
    this.#offsetMaxMs = options.clockOffsetMaxMs ?? OFFSET_MS_MAX;
  }

  /** Returns the estimated current time of the gateway's clock, in Unix ms. */
  now(): number {
    return Math.round(this.#deviceNow() + this.#offsetMs);
  }

  /**
   * Starts a stopwatch. Returns a function that returns the elapsed time, in ms. Two clocks measure it, and the larger result
   * counts:
   * - the wall clock, which can be set back;
   * - the monotonic clock, which can stop while the device sleeps.
   */
  stopwatch(): () => number {
    const [wallMs, monotonicMs] = [this.#deviceNow(), performance.now()];
    return () => Math.max(this.#deviceNow() - wallMs, performance.now() - monotonicMs);
  }

  /**
   * Returns the unverified time in a `TIMESTAMP_OUT_OF_WINDOW` refusal, in Unix ms. Returns `undefined` in these cases:
   * - There is no such refusal, or it contains no time.
   * - The time differs from the device's clock by more than `clockOffsetMaxMs`.
   */
  claimedTime(refusal: RefusalInfo | undefined): number | undefined {
    if (refusal?.reason !== "TIMESTAMP_OUT_OF_WINDOW") return undefined;
    const claimedMs = Number(refusal.metadata["server_time_ms"] || Number.NaN);
    return this.#isWithinBound(claimedMs) ? claimedMs : undefined;
  }

  /**
   * Starts a measurement of the gateway's clock. Call it before a new request is signed, never for a repeat. Returns a
   * function: call it with the signed timestamp of the answer.
   *
   * The gateway signs the answer after the request is sent and before the answer arrives. This gives an interval that contains
   * the true offset between the two clocks. The function moves the estimated offset into this interval. A delayed answer makes
   * the interval wider, but never wrong.
   */
  measure(): (signedMs: number) => void {
    const startMs = this.#deviceNow();
    return (signedMs) => this.#moveInto(signedMs - this.#deviceNow(), signedMs - startMs);
  }

  /**
   * Moves the estimate forward if it is before a signed timestamp. An old timestamp changes nothing, so replays are harmless.
   */
  observe(signedMs: number): void {
    this.#moveInto(signedMs - this.#deviceNow(), Number.POSITIVE_INFINITY);
  }

  /**
   * Returns the times in the payload of a verified `gateway.server_time` event. Returns `undefined` in these cases:
   * - The payload contains no time.
   * - The time differs from the device's clock by more than `clockOffsetMaxMs`.
   */
  serverTimeOf(payload: JsonValue | undefined): ServerTime | undefined {
    const nowMs = numberMember(payload, "server_time_ms");
    if (nowMs === undefined || !this.#isWithinBound(nowMs)) return undefined;
    const freshnessWindowMs = numberMember(payload, "freshness_window_ms");
    const admitsSinceMs = numberMember(payload, "admits_since_ms") ?? Number.NEGATIVE_INFINITY;
    return { nowMs, freshnessWindowMs, admitsSinceMs };
  }

  /**
   * Moves the offset into the interval from `lowMs` to `highMs`. Does nothing if the new offset exceeds `clockOffsetMaxMs`, or if
   * the interval is empty. An empty interval means that the device's clock was set back.
   */
  #moveInto(lowMs: number, highMs: number): void {
    const offsetMs = Math.min(Math.max(this.#offsetMs, lowMs), highMs);
    if (lowMs <= highMs && Math.abs(offsetMs) <= this.#offsetMaxMs) this.#offsetMs = offsetMs;
  }

  #isWithinBound(unixMs: number): boolean {
    return Number.isSafeInteger(unixMs) && unixMs > 0 && Math.abs(unixMs - this.#deviceNow()) <= this.#offsetMaxMs;
  }
}
