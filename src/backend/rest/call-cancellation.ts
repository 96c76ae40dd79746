import { HttpFailure } from "./http-failure.ts";

type CancelledBy = "timeout" | "aborted";

/**
 * Cancels one call to the backend when its timeout expires or its caller aborts it. Cancels a single attempt when the timeout of
 * the attempt expires.
 */
export class CallCancellation implements EventListenerObject {
  readonly #caller: AbortSignal | undefined;
  readonly #deadlineMs: number;
  readonly #attemptTimeoutMs: number | undefined;
  #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout>;
  #cancelledBy: CancelledBy | undefined;
  /** The time at which the running attempt times out. Infinite if no attempt runs. */
  #attemptEndMs = Number.POSITIVE_INFINITY;
  #isAttemptLate = false;

  constructor(timeoutMs: number, caller: AbortSignal | undefined, attemptTimeoutMs?: number) {
    this.#caller = caller;
    this.#deadlineMs = performance.now() + timeoutMs;
    this.#attemptTimeoutMs = attemptTimeoutMs;
    this.#timer = setTimeout(onTimer, timeoutMs, this);
    if (caller?.aborted) this.handleEvent();
    else caller?.addEventListener("abort", this);
  }

  /** The signal of the running attempt. Before the first attempt, the signal of the call. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Returns true if the call was cancelled. Then no further attempt may start. */
  get isOver(): boolean {
    return this.#cancelledBy !== undefined;
  }

  /** Starts an attempt. Returns the signal that cancels it. */
  beginAttempt(): AbortSignal {
    if (this.#controller.signal.aborted && !this.isOver) this.#controller = new AbortController();
    this.#isAttemptLate = false;
    if (this.#attemptTimeoutMs !== undefined) {
      this.#attemptEndMs = performance.now() + this.#attemptTimeoutMs;
      this.#arm();
    }
    return this.#controller.signal;
  }

  /** Ends an attempt. If the body of the answer was not read to its end, also aborts the transfer. */
  endAttempt(bodyWasRead: boolean): void {
    this.#attemptEndMs = Number.POSITIVE_INFINITY;
    if (!bodyWasRead) this.#controller.abort();
  }

  /**
   * Converts an error of the call to an `HttpFailure`. If the call was cancelled, the failure has the kind `timeout` or
   * `aborted`, whatever the error is.
   */
  toFailure(thrown: unknown): HttpFailure {
    if (this.#cancelledBy !== undefined) return new HttpFailure(this.#cancelledBy, this.#caller?.reason ?? thrown);
    if (this.#isAttemptLate) return new HttpFailure("timeout", "no answer within backend.response_timeout_ms");
    return HttpFailure.from(thrown);
  }

  /** Removes the timer and the abort listener after the call has ended. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this);
  }

  handleEvent(): void {
    this.#cancel("aborted");
  }

  /** Cancels what has timed out: the whole call, or only the running attempt. */
  expire(): void {
    const nowMs = performance.now();
    if (nowMs >= this.#deadlineMs) {
      this.#cancel("timeout");
      return;
    }
    if (nowMs >= this.#attemptEndMs) {
      this.#attemptEndMs = Number.POSITIVE_INFINITY;
      this.#isAttemptLate = true;
      this.#controller.abort();
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const dueMs = Math.min(this.#deadlineMs, this.#attemptEndMs) - performance.now();
    this.#timer = setTimeout(onTimer, Math.max(0, Math.ceil(dueMs)), this);
  }

  #cancel(by: CancelledBy): void {
    this.#cancelledBy ??= by;
    this.#controller.abort();
  }
}

function onTimer(call: CallCancellation): void {
  call.expire();
}
