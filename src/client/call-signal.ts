import { Code, ConnectError } from "@connectrpc/connect";
import { timerMs } from "./timer-ms.ts";

/** Ends one call: at its timeout, or when the caller's signal aborts. */
export class CallSignal {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #given: AbortSignal | undefined;
  readonly #onAbort = () => this.#controller.abort(ConnectError.from(this.#given?.reason, Code.Canceled));

  /** If `timeoutMs` is 0 or missing, there is no timeout. */
  constructor(given: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#given = given;
    if (given?.aborted) this.#onAbort();
    given?.addEventListener("abort", this.#onAbort);
    if (timeoutMs !== undefined && timeoutMs > 0) {
      const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
      this.#timer = setTimeout(() => this.#controller.abort(late), timerMs(timeoutMs));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Returns the error of the call. Runtimes throw different errors after an abort, so the signal's reason replaces them. */
  errorOf(thrown: unknown): ConnectError {
    return ConnectError.from(this.signal.aborted ? this.signal.reason : thrown);
  }

  /** Stops the timer, and stops listening to the caller's signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#onAbort);
  }
}
