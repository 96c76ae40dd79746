/**
 * Backend calls that continue after their clients have disconnected, because their answers are kept for later requests. Each
 * call has its own timeout. The limit of concurrent backend calls also applies to them.
 */
export class LastingCalls {
  readonly #stop = new AbortController();
  #running = 0;
  #onIdle: (() => void)[] = [];

  /** Runs a call. The signal of the call aborts only when the gateway stops. */
  async run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await call(this.#stop.signal);
    } finally {
      this.#running--;
      if (this.#running === 0 && this.#onIdle.length > 0) for (const wake of this.#onIdle.splice(0)) wake();
    }
  }

  /** Resolves when no call is running. */
  async drain(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Cancels all running calls and all later calls. */
  abort(): void {
    this.#stop.abort();
  }
}
