import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/ports.ts";
import type { RedisCall } from "./connection.ts";
import type { Continuity } from "./store-epoch.ts";

export interface RedisHealthParts {
  readonly clock: Clock;
  readonly log: Log;
  /** For how long a request is reserved that is signed now. */
  readonly reservedForMs: number;
  /** How far this gateway's clock and the server's may be apart. */
  readonly marginMs: number;
}

/**
 * What of a Redis that is in reach keeps requests from being let in: a fence that is still ahead, a clock that is another than ours, or
 * that it refuses what requests need.
 */
export class RedisHealth {
  readonly #parts: RedisHealthParts;
  /** When new requests are let in again, on the monotonic clock. */
  #wholeFromMs = Number.NEGATIVE_INFINITY;
  #apartMs = 0;
  #refusal: Refusal | undefined;

  constructor(parts: RedisHealthParts) {
    this.#parts = parts;
  }

  /** How long until new requests are let in, in ms; 0 where they are. */
  get fencedMs(): number {
    return Math.max(0, this.#wholeFromMs - this.#parts.clock.monotonic());
  }

  /** In words; empty where nothing does. */
  notReady(): string[] {
    return [
      ...(this.#refusal === undefined ? [] : [`Redis cannot be used: ${this.#refusal.reason}`]),
      ...(this.#isFenced ? ["Redis may have forgotten requests that could still be repeated"] : []),
      ...(this.#isApart ? [`this gateway's clock and that of Redis are ${this.#apartMs} ms apart`] : []),
    ];
  }

  /** Takes note of how far ahead the fence is. */
  fenceIsIn(fenceInMs: number): void {
    const { clock, log, reservedForMs } = this.#parts;
    // What is let in ends behind the fence, not at it.
    const waitMs = fenceInMs < reservedForMs ? 0 : fenceInMs - reservedForMs + 1;
    if (waitMs > 0 && !this.#isFenced) {
      log.warn("redis: the server may have forgotten requests; none is let in that may be one of them", { for_ms: waitMs });
    }
    this.#wholeFromMs = clock.monotonic() + waitMs;
  }

  /** Looks at the server; gives whether its memory is still the one that is known. Throws `RedisUnavailable`. */
  async look(call: RedisCall, continuity: Continuity): Promise<boolean> {
    const { clock } = this.#parts;
    const askedMs = clock.now();
    const { isInterrupted, serverMs, fenceInMs } = await continuity.look(call);
    this.#obeys();
    if (isInterrupted) return false;
    this.fenceIsIn(fenceInMs);
    // The server read its clock somewhere between the question and its answer.
    this.#clocksAre(Math.trunc(distance(askedMs, clock.now(), serverMs)));
    return true;
  }

  /** A look failed on a connection that stands. It is told once for each reason, such as MISCONF. */
  refuses(reason: string): void {
    const { clock, log } = this.#parts;
    if (this.#refusal === undefined || codeOf(this.#refusal.reason) !== codeOf(reason)) {
      log.warn("redis: cannot be used", { reason });
    }
    this.#refusal = { reason, sinceMs: this.#refusal?.sinceMs ?? clock.monotonic() };
  }

  get isRefusing(): boolean {
    return this.#refusal !== undefined;
  }

  #obeys(): void {
    if (this.#refusal === undefined) return;
    const { clock, log } = this.#parts;
    log.info("redis: can be used again", { after_ms: Math.round(clock.monotonic() - this.#refusal.sinceMs) });
    this.#refusal = undefined;
  }

  #clocksAre(apartMs: number): void {
    const { log, marginMs } = this.#parts;
    const wasApart = this.#isApart;
    this.#apartMs = apartMs;
    if (!this.#isApart || wasApart) return;
    const what = "redis: its clock and this gateway's are further apart than freshness.margin_ms; requests are refused";
    log.warn(what, { apart_ms: apartMs, margin_ms: marginMs });
  }

  get #isFenced(): boolean {
    return this.fencedMs > 0;
  }

  get #isApart(): boolean {
    return Math.abs(this.#apartMs) > this.#parts.marginMs;
  }
}

/** Why a server in reach cannot be used, and since when on the monotonic clock. */
interface Refusal {
  readonly reason: string;
  readonly sinceMs: number;
}

/** The rest of an error names scripts and lines. */
function codeOf(reason: string): string {
  return reason.split(" ", 1)[0] ?? "";
}

/** How far a moment lies from a span of time; 0 where it lies in it, below 0 where it comes after. */
function distance(fromMs: number, toMs: number, momentMs: number): number {
  if (momentMs < fromMs) return fromMs - momentMs;
  return Math.min(0, toMs - momentMs);
}
