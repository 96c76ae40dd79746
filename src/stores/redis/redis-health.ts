import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import type { RedisCall } from "./redis-call.ts";
import type { StoreEpoch } from "./store-epoch.ts";

export interface RedisHealthParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Lifetime of the reservation of a request that is signed now, in ms. */
  readonly reservedForMs: number;
  /** Maximum allowed difference between this gateway's clock and the clock of the Redis server, in ms. */
  readonly marginMs: number;
}

/**
 * Decides whether requests can be accepted while Redis is reachable. Requests are refused in three cases:
 *
 * - A quarantine has not ended.
 * - The clocks of this gateway and of the Redis server differ too much.
 * - Commands fail.
 */
export class RedisHealth {
  readonly #parts: RedisHealthParts;
  /** The time from which newly signed requests are accepted, on the monotonic clock. */
  #acceptingFromMs = Number.NEGATIVE_INFINITY;
  /** This gateway's clock minus the clock of the Redis server. */
  #clockDifferenceMs = 0;
  #failure: Failure | undefined;

  constructor(parts: RedisHealthParts) {
    this.#parts = parts;
  }

  /** Time until newly signed requests are accepted, in ms; 0 if they are accepted now. */
  get quarantinedMs(): number {
    return Math.max(0, this.#acceptingFromMs - this.#parts.clock.monotonic());
  }

  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** Returns the reasons why requests are refused, as messages for operators. Empty if requests are accepted. */
  notReady(): string[] {
    return [
      ...(this.#failure === undefined ? [] : [`Redis refuses commands: ${this.#failure.reason}`]),
      ...(this.#isQuarantined ? ["Redis may have lost reservations; requests are refused until the quarantine ends"] : []),
      ...(this.#isClockOff ? [`the gateway's clock and the Redis clock differ by ${this.#clockDifferenceMs} ms`] : []),
    ];
  }

  /** Records the time until the quarantine ends, measured by the Redis server; 0 if the quarantine is over. */
  noteQuarantine(quarantineMs: number): void {
    const { clock, log, reservedForMs } = this.#parts;
    // A request is accepted if its reservation ends after the quarantine. The reservation of a newly signed request lasts
    // `reservedForMs`. So newly signed requests are accepted again `reservedForMs` before the quarantine ends.
    const waitMs = quarantineMs < reservedForMs ? 0 : quarantineMs - reservedForMs + 1;
    if (waitMs > 0 && !this.#isQuarantined) log.warn("redis quarantine started", { for_ms: waitMs });
    this.#acceptingFromMs = clock.monotonic() + waitMs;
  }

  /**
   * Checks the epoch, the quarantine and the server's clock. Resolves to `false` if another store epoch has started. Rejects
   * with `RedisUnavailable`.
   */
  async check(call: RedisCall, epoch: StoreEpoch): Promise<boolean> {
    const { clock } = this.#parts;
    const sentMs = clock.now();
    const { isEnded, serverMs, quarantineMs } = await epoch.check(call);
    this.#noteSuccess();
    if (isEnded) return false;
    this.noteQuarantine(quarantineMs);
    // The server read its clock between `sentMs` and now. So the difference counts as 0 if `serverMs` is in this time span.
    this.#noteClockDifference(Math.trunc(distance(sentMs, clock.now(), serverMs)));
    return true;
  }

  /**
   * Records that a check failed although the connection is open. Of consecutive failures with the same error code, such as
   * MISCONF, only the first is logged.
   */
  noteFailure(reason: string): void {
    const { clock, log } = this.#parts;
    if (this.#failure === undefined || codeOf(this.#failure.reason) !== codeOf(reason))
      log.warn("redis health check failed", { reason });
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
    log.warn("clock difference to redis too large", { difference_ms: differenceMs, margin_ms: marginMs });
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
  /** The time of the first failure after the last successful check, on the monotonic clock. */
  readonly sinceMs: number;
}

/** Returns the first word of the message, which is the error code. The rest may vary, for example in line numbers. */
function codeOf(reason: string): string {
  return reason.split(" ", 1)[0] ?? "";
}

/**
 * Returns how far a moment is outside a time span:
 *
 * - 0 if the moment is inside the span
 * - a positive number if it is before the span
 * - a negative number if it is after the span
 */
function distance(fromMs: number, toMs: number, momentMs: number): number {
  if (momentMs < fromMs) return fromMs - momentMs;
  return Math.min(0, toMs - momentMs);
}
