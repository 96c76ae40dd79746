import { HttpFailure } from "./http-failure.ts";

/** Ends one call: when its time is up, when its caller leaves, or when it is done. One controller and one timer, no more. */
export class CallEnd {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #onCaller = () => this.#end("aborted");
  #endedBy: "timeout" | "aborted" | undefined;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.signal = this.#controller.signal;
    this.#caller = caller;
    this.#timer = setTimeout(() => this.#end("timeout"), timeoutMs);
    if (caller?.aborted) this.#end("aborted");
    else caller?.addEventListener("abort", this.#onCaller, { once: true });
  }

  /** Why a call failed, given what it threw. */
  explain(thrown: unknown): HttpFailure {
    if (this.#endedBy !== undefined) return new HttpFailure(this.#endedBy, this.#caller?.reason ?? thrown);
    return HttpFailure.from(thrown);
  }

  /** Lets go of the timer and the caller; what is still under way (a body that nobody will read) is cut off. */
  dispose(bodyWasRead: boolean): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#onCaller);
    if (!bodyWasRead) this.#controller.abort();
  }

  #end(by: "timeout" | "aborted"): void {
    this.#endedBy ??= by;
    this.#controller.abort();
  }
}
