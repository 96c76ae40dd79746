import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import type { RedisCall } from "./call.ts";
import type { StoreEpoch } from "./store-epoch.ts";

export interface RedisHealthParts {
  readonly clock: Clock;
  readonly log: Log;
  /** How long a reservation lasts if its request was signed at this moment, in ms. */
  readonly reservedForMs: number;
  /** Maximum difference between this gateway's clock and the clock of the Redis server. */
  readonly marginMs: number;
}

/**
 * Decides whether requests can be accepted while Redis is reachable. Requests are refused in three cases: during a quarantine, while the
 * clocks of gateway and server differ too much, and while commands fail.
 */
export class RedisHealth {
  readonly #parts: RedisHealthParts;
  /** The time from which new requests are accepted, on the monotonic clock. */
  #acceptingFromMs = Number.NEGATIVE_INFINITY;
  /** This gateway's clock minus the clock of the Redis server. */
  #clockDifferenceMs = 0;
  #failure: Failure | undefined;

  constructor(parts: RedisHealthParts) {
    this.#parts = parts;
  }

  /** Time until new requests are accepted, in ms; 0 if they are accepted now. */
  get quarantinedMs(): number {
    return Math.max(0, this.#acceptingFromMs - this.#parts.clock.monotonic());
  }

  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** Returns the reasons why requests are refused, as text for people. The list is empty if requests are accepted. */
  notReady(): string[] {
    return [
      ...(this.#failure === undefined ? [] : [`Redis refuses commands: ${this.#failure.reason}`]),
      ...(this.#isQuarantined ? ["Redis may have lost reservations; requests are refused until the quarantine ends"] : []),
      ...(this.#isClockOff ? [`the gateway's clock and the Redis clock differ by ${this.#clockDifferenceMs} ms`] : []),
    ];
  }

  /** Records the time until the quarantine ends, as the Redis server computed it. `quarantineMs` is 0 if the quarantine is over. */
  noteQuarantine(quarantineMs: number): void {
    const { clock, log, reservedForMs } = this.#parts;
    // The reservation of a new request lasts `reservedForMs`. A new request is accepted if this reservation ends after the quarantine.
    const waitMs = quarantineMs < reservedForMs ? 0 : quarantineMs - reservedForMs + 1;
    if (waitMs > 0 && !this.#isQuarantined) log.warn("redis quarantine started", { for_ms: waitMs });
    this.#acceptingFromMs = clock.monotonic() + waitMs;
  }

  /**
   * Checks the epoch, the quarantine and the clock of the server. Resolves to `false` if another store epoch has started. Rejects with
   * `RedisUnavailable`.
   */
  async check(call: RedisCall, epoch: StoreEpoch): Promise<boolean> {
    const { clock } = this.#parts;
    const sentMs = clock.now();
    const { isEnded, serverMs, quarantineMs } = await epoch.check(call);
    this.#noteSuccess();
    if (isEnded) return false;
    this.noteQuarantine(quarantineMs);
    // The server read its clock between `sentMs` and now. So the difference of the clocks is 0 if `serverMs` is in this time span.
    this.#noteClockDifference(Math.trunc(distance(sentMs, clock.now(), serverMs)));
    return true;
  }

  /**
   * Records that a check failed although the connection is open. Of several failures in a row with the same error code, such as MISCONF,
   * only the first is logged.
   */
  noteFailure(reason: string): void {
    const { clock, log } = this.#parts;
    if (this.#failure === undefined || codeOf(this.#failure.reason) !== codeOf(reason))
      log.warn("redis check failed", { reason });
    this.#failure = { reason, sinceMs: this.#failure?.sinceMs ?? clock.monotonic() };
  }

  #noteSuccess(): void {
    if (this.#failure === undefined) return;
    const { clock, log } = this.#parts;
    log.info("redis recovered", { after_ms: Math.round(clock.monotonic() - this.#failure.sinceMs) });
    this.#failure = undefined;
  }

  #noteClockDifference(differenceMs: number): void {
    const { log, marginMs } = this.#parts;
    const wasClockOff = this.#isClockOff;
    this.#clockDifferenceMs = differenceMs;
    if (!this.#isClockOff || wasClockOff) return;
    log.warn("redis clock difference too large", { difference_ms: differenceMs, margin_ms: marginMs });
  }

  get #isQuarantined(): boolean {
    return this.quarantinedMs > 0;
  }

  get #isClockOff(): boolean {
    return Math.abs(this.#clockDifferenceMs) > this.#parts.marginMs;
  }
}

interface Failure {
  readonly reason: string;
  /** The time of the first failure, on the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * Returns the error code, which is the first word of the message. The other words, such as the names of scripts and line numbers, differ
 * between messages of one code.
 */
function codeOf(reason: string): string {
  return reason.split(" ", 1)[0] ?? "";
}

/**
 * Returns the distance of a moment from a time span. Returns 0 if the moment is inside the span, a positive number if it is before the
 * span, and a negative number if it is after the span.
 */
function distance(fromMs: number, toMs: number, momentMs: number): number {
  if (momentMs < fromMs) return fromMs - momentMs;
  return Math.min(0, toMs - momentMs);
}
