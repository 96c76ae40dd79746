import { Code, ConnectError } from "@connectrpc/connect";

/** Aborts its `signal` when `reset` has not been called for `ms` milliseconds. If `ms` is 0, the signal is never aborted. */
export class IdleWatchdog {
  readonly #controller = new AbortController();
  readonly #timer: Timer | undefined;

  constructor(ms: number) {
    const idle = new ConnectError(`no message for ${ms} ms, not even a keepalive`, Code.Unavailable);
    if (ms > 0) this.#timer = setTimeout(() => this.#controller.abort(idle), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  reset(): void {
    this.#timer?.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
