import { HttpFailure } from "./http-failure.ts";

/** Ends one call: when its time is up, when its caller leaves, or when it is done. One controller and one timer, no more. */
export class CallCancellation implements EventListenerObject {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  #endedBy: "timeout" | "aborted" | undefined;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.signal = this.#controller.signal;
    this.#caller = caller;
    this.#timer = setTimeout(timeIsUp, timeoutMs, this);
    if (caller?.aborted) this.handleEvent();
    else caller?.addEventListener("abort", this);
  }

  /** Why a call failed, given what it threw. */
  explain(thrown: unknown): HttpFailure {
    if (this.#endedBy !== undefined) return new HttpFailure(this.#endedBy, this.#caller?.reason ?? thrown);
    return HttpFailure.from(thrown);
  }

  /** Lets go of the timer and the caller; what is still under way (a body that nobody will read) is cut off. */
  dispose(bodyWasRead: boolean): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this);
    if (!bodyWasRead) this.#controller.abort();
  }

  /** The caller has left. */
  handleEvent(): void {
    this.end("aborted");
  }

  end(by: "timeout" | "aborted"): void {
    this.#endedBy ??= by;
    this.#controller.abort();
  }
}

function timeIsUp(call: CallCancellation): void {
  call.end("timeout");
}
