import { RepeatTooLateError } from "./errors.ts";
import { Recent } from "./recent.ts";

/** Far more than a device sends in a minute. */
const IDS_MIN = 4096;

/**
 * When each request id of the caller's own was signed first. A repeat is signed for that same moment: the gateway refuses it as a replay
 * while the first may have arrived, and as too old after that. Signed for a later moment, it would be done twice.
 */
export class Attempts {
  readonly #windowMs: number;
  readonly #firstMs = new Recent<number>(IDS_MIN);

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The time to sign `requestId` for, in Unix ms. Throws `RepeatTooLateError` for a repeat that no gateway would let in. */
  timeOf(requestId: string, nowMs: number): number {
    const firstMs = this.#firstMs.get(requestId);
    if (firstMs === undefined) {
      this.#firstMs.set(requestId, nowMs);
      return nowMs;
    }
    const untilMs = firstMs + this.#windowMs;
    if (nowMs > untilMs) throw new RepeatTooLateError(untilMs);
    return firstMs;
  }
}
