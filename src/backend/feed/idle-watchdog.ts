import { Code, ConnectError } from "@connectrpc/connect";

/** Aborts when a stream has brought nothing for so long; never, where that is 0. */
export class IdleWatchdog {
  readonly #controller = new AbortController();
  readonly #timer: Timer | undefined;

  constructor(ms: number) {
    const dead = new ConnectError(`nothing came for ${ms} ms, not even a keepalive`, Code.Unavailable);
    if (ms > 0) this.#timer = setTimeout(() => this.#controller.abort(dead), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came. */
  reset(): void {
    this.#timer?.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
