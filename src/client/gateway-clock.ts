import type { JsonValue } from "@bufbuild/protobuf";
import type { RefusalInfo } from "./errors.ts";
import { numberMember } from "./json.ts";

export interface GatewayClockOptions {
  /** Unix time in milliseconds, as the device has it. */
  readonly now?: (() => number) | undefined;
  /** How far the device's clock may be off and still be corrected, in ms. Default: a day. */
  readonly clockOffsetMaxMs?: number | undefined;
}

/** What a signed `gateway.server_time` says of time. */
export interface ServerTime {
  readonly nowMs: number;
  readonly windowMs: number | undefined;
  /** Before this, nothing was admitted that was signed before it. */
  readonly sinceMs: number;
}

/** Whether the gateway cannot have admitted what was signed for `timestampMs`, at no time within the last `elapsedMs`. */
export function wasOutOfWindow(timestampMs: number, elapsedMs: number, { nowMs, windowMs, sinceMs }: ServerTime): boolean {
  if (windowMs === undefined) return false;
  const fromMs = nowMs - elapsedMs;
  if (sinceMs <= fromMs && timestampMs < sinceMs) return true;
  return timestampMs < fromMs - windowMs || timestampMs > nowMs + windowMs;
}

const OFFSET_MS_MAX = 24 * 60 * 60 * 1000;

/**
 * The gateway's clock, as far as its signed answers have told it. A refusal is not signed: whoever stands between can claim any time in
 * one, so what it claims serves for a question, and never for a command.
 */
export class GatewayClock {
  readonly #deviceNow: () => number;
  readonly #offsetMaxMs: number;
  #offsetMs = 0;

  constructor(options: GatewayClockOptions = {}) {
    this.#deviceNow = options.now ?? Date.now;
    this.#offsetMaxMs = options.clockOffsetMaxMs ?? OFFSET_MS_MAX;
  }

  now(): number {
    return Math.round(this.#deviceNow() + this.#offsetMs);
  }

  /** Measures from now on, in ms: by the clock that shows more, since one may stand while the device sleeps, and the other may be set. */
  stopwatch(): () => number {
    const [wallMs, monotonicMs] = [this.#deviceNow(), performance.now()];
    return () => Math.max(this.#deviceNow() - wallMs, performance.now() - monotonicMs);
  }

  /** The time that a refusal for the timestamp claims; `undefined` where it is none, or further off than is believed. */
  claimedBy(refusal: RefusalInfo | undefined): number | undefined {
    if (refusal?.reason !== "TIMESTAMP_OUT_OF_WINDOW") return undefined;
    const claimedMs = Number(refusal.metadata.server_time_ms || Number.NaN);
    return this.#isWithinBound(claimedMs) ? claimedMs : undefined;
  }

  /** Takes over the time of a verified `gateway.server_time`; gives it, or `undefined` where it is none or too far off. */
  confirm(payload: JsonValue | undefined): ServerTime | undefined {
    const nowMs = numberMember(payload, "server_time_ms");
    if (nowMs === undefined || !this.#isWithinBound(nowMs)) return undefined;
    this.#offsetMs = nowMs - this.#deviceNow();
    const [windowMs, sinceMs] = [numberMember(payload, "freshness_window_ms"), numberMember(payload, "admits_since_ms")];
    return { nowMs, windowMs, sinceMs: sinceMs ?? Number.NEGATIVE_INFINITY };
  }

  #isWithinBound(unixMs: number): boolean {
    return Number.isSafeInteger(unixMs) && unixMs > 0 && Math.abs(unixMs - this.#deviceNow()) <= this.#offsetMaxMs;
  }
}
