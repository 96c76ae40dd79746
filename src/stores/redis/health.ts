import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import type { RedisCall } from "./call.ts";
import type { StoreEpoch } from "./store-epoch.ts";

export interface RedisHealthParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Lifetime of the reservation of a request that is signed now. */
  readonly reservedForMs: number;
  /** Largest allowed difference between this gateway's clock and the server's. */
  readonly marginMs: number;
}

/** Whether requests can be accepted on a reachable Redis: no quarantine, no clock difference, and no failing commands. */
export class RedisHealth {
  readonly #parts: RedisHealthParts;
  /** From when new requests are accepted again, on the monotonic clock. */
  #acceptingFromMs = Number.NEGATIVE_INFINITY;
  /** The gateway's clock minus the server's. */
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

  /** The reasons why requests are refused, for people; empty if there are none. */
  notReady(): string[] {
    return [
      ...(this.#failure === undefined ? [] : [`Redis refuses commands: ${this.#failure.reason}`]),
      ...(this.#isQuarantined ? ["Redis may have lost reservations; requests are refused until the quarantine ends"] : []),
      ...(this.#isClockOff ? [`the gateway's clock and the Redis clock differ by ${this.#clockDifferenceMs} ms`] : []),
    ];
  }

  /** `quarantineMs`: time until the quarantine ends, as the server reports it. */
  noteQuarantine(quarantineMs: number): void {
    const { clock, log, reservedForMs } = this.#parts;
    // A new request is accepted once its reservation would expire after the quarantine ends.
    const waitMs = quarantineMs < reservedForMs ? 0 : quarantineMs - reservedForMs + 1;
    if (waitMs > 0 && !this.#isQuarantined) log.warn("redis quarantine started", { for_ms: waitMs });
    this.#acceptingFromMs = clock.monotonic() + waitMs;
  }

  /** Checks the server. Resolves to `false` if another epoch has started. Rejects with `RedisUnavailable`. */
  async check(call: RedisCall, epoch: StoreEpoch): Promise<boolean> {
    const { clock } = this.#parts;
    const sentMs = clock.now();
    const { isEnded, serverMs, quarantineMs } = await epoch.check(call);
    this.#noteSuccess();
    if (isEnded) return false;
    this.noteQuarantine(quarantineMs);
    // The server read its clock at some time between sending and receiving.
    this.#noteClockDifference(Math.trunc(distance(sentMs, clock.now(), serverMs)));
    return true;
  }

  /** A check failed on an open connection. Logged once per error code, such as MISCONF. */
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
    log.warn("redis clock difference exceeded", { difference_ms: differenceMs, margin_ms: marginMs });
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
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

/** The error code. The rest of the message names scripts and lines, and varies. */
function codeOf(reason: string): string {
  return reason.split(" ", 1)[0] ?? "";
}

/** Distance of a moment from a span of time: 0 inside it, positive if the moment is before it, negative if after. */
function distance(fromMs: number, toMs: number, momentMs: number): number {
  if (momentMs < fromMs) return fromMs - momentMs;
  return Math.min(0, toMs - momentMs);
}
