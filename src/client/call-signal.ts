import { Code, ConnectError } from "@connectrpc/connect";
import { timerMs } from "./timer-ms.ts";

/** Ends one call: at its timeout, or when the caller's signal aborts. */
export class CallSignal {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #given: AbortSignal | undefined;
  /** Why the call ended early. The signal has no `reason` in React Native. */
  #reason: ConnectError | undefined;
  readonly #onAbort = () => this.#abort(ConnectError.from(this.#given?.reason ?? "the call was aborted", Code.Canceled));

  /** If `timeoutMs` is 0 or missing, there is no timeout. */
  constructor(given: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#given = given;
    if (given?.aborted) this.#onAbort();
    given?.addEventListener("abort", this.#onAbort);
    if (timeoutMs !== undefined && timeoutMs > 0) {
      const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
      this.#timer = setTimeout(() => this.#abort(late), timerMs(timeoutMs));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Returns the error of the call. Runtimes throw different errors after an abort, so the reason of the abort replaces them. */
  errorOf(thrown: unknown): ConnectError {
    return this.#reason ?? ConnectError.from(thrown);
  }

  /** Stops the timer, and stops listening to the caller's signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#onAbort);
  }

  #abort(reason: ConnectError): void {
    this.#reason ??= reason;
    this.#controller.abort(reason);
  }
}
