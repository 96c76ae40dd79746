import { HttpFailure } from "./http-failure.ts";

/** Cancels one call to the backend when its timeout expires or its caller aborts it. */
export class CallCancellation implements EventListenerObject {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  #cancelledBy: "timeout" | "aborted" | undefined;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.signal = this.#controller.signal;
    this.#caller = caller;
    this.#timer = setTimeout(onTimeout, timeoutMs, this);
    if (caller?.aborted) this.handleEvent();
    else caller?.addEventListener("abort", this);
  }

  /**
   * Converts an error of the call to an `HttpFailure`. If the call was cancelled, the failure has the kind `timeout` or
   * `aborted`, whatever the error is.
   */
  toFailure(thrown: unknown): HttpFailure {
    if (this.#cancelledBy !== undefined) return new HttpFailure(this.#cancelledBy, this.#caller?.reason ?? thrown);
    return HttpFailure.from(thrown);
  }

  /**
   * Removes the timer and the abort listener after the call has ended. If the body of the answer was not read to its end, also
   * aborts the transfer.
   */
  dispose(bodyWasRead: boolean): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this);
    if (!bodyWasRead) this.#controller.abort();
  }

  /** Handles the caller's `abort` event. */
  handleEvent(): void {
    this.cancel("aborted");
  }

  cancel(by: "timeout" | "aborted"): void {
    this.#cancelledBy ??= by;
    this.#controller.abort();
  }
}

function onTimeout(call: CallCancellation): void {
  call.cancel("timeout");
}
