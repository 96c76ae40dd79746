import { RepeatTooLateError } from "./errors.ts";
import { RecentMap } from "./recent-map.ts";

/** Minimum number of remembered request ids. A device sends fewer requests than this within the freshness window. */
const IDS_MIN = 4096;

/**
 * Remembers the time of the first attempt for each request id that the caller chose.
 *
 * A repeat is signed with the timestamp of the first attempt. So the gateway never executes the command twice:
 * - If the first attempt arrived, the gateway refuses the repeat as a replay.
 * - After the freshness window, the gateway refuses the repeat as too old.
 *
 * With a new timestamp, a repeat after the window could be executed again: proto/client.md, "Clock and repeats".
 */
export class FirstAttempts {
  readonly #freshnessWindowMs: number;
  readonly #firstMs = new RecentMap<number>(IDS_MIN);

  constructor(freshnessWindowMs: number) {
    this.#freshnessWindowMs = freshnessWindowMs;
  }

  /**
   * Returns the timestamp for a request with this id, in Unix ms. For a new id, this is `nowMs`. For a repeated id, it is the
   * time of the first attempt. Throws `RepeatTooLateError` if the first attempt is older than the freshness window.
   */
  timestampFor(requestId: string, nowMs: number): number {
    const firstMs = this.#firstMs.get(requestId);
    if (firstMs === undefined) {
      this.#firstMs.set(requestId, nowMs);
      return nowMs;
    }
    const untilMs = firstMs + this.#freshnessWindowMs;
    if (nowMs > untilMs) throw new RepeatTooLateError(untilMs);
    return firstMs;
  }
}
