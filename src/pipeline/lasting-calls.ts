import { LiveSet } from "../core/live-set.ts";

/**
 * Backend calls that continue after their clients have disconnected, because their answers are kept for later requests. Each
 * call has its own timeout. The limit of concurrent backend calls also applies to them.
 */
export class LastingCalls {
  readonly #stop = new AbortController();
  readonly #running = new LiveSet<Promise<unknown>>();

  /** Runs a call. Its signal aborts only when the gateway stops. */
  run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const running = call(this.#stop.signal);
    const held = this.#running.add(running);
    const ended = () => void this.#running.remove(held);
    running.then(ended, ended);
    return running;
  }

  /** Resolves when no call is running. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
  }

  /** Cancels all running calls, and all later ones. */
  abort(): void {
    this.#stop.abort();
  }
}
