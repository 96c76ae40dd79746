import { RepeatTooLateError } from "./errors.ts";
import { RecentMap } from "./recent-map.ts";

/** More request ids than a device sends within the freshness window. */
const IDS_MIN = 4096;

/**
 * Remembers when each caller-chosen request id was first signed.
 *
 * A repeat is signed with the timestamp of the first attempt. The gateway then refuses it as a replay if the first attempt arrived, and as
 * too old after the freshness window. With a later timestamp the gateway could execute the command twice: proto/README.md, "Clock and repeats".
 */
export class FirstAttempts {
  readonly #freshnessWindowMs: number;
  readonly #firstMs = new RecentMap<number>(IDS_MIN);

  constructor(freshnessWindowMs: number) {
    this.#freshnessWindowMs = freshnessWindowMs;
  }

  /**
   * Returns the timestamp to sign `requestId` with, in Unix ms: `nowMs` for a new id, else that of its first attempt. Throws
   * `RepeatTooLateError` if the first attempt is older than the freshness window.
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
