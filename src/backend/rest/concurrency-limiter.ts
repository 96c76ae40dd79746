/** Maximum number of waiting calls. A call waits at most for its own timeout, so a full queue means that the backend is down. */
const WAITING_MAX = 4096;
/**
 * Minimum number of ended calls in the queue before the queue is cleaned up. Ended calls are removed in batches, because each
 * clean-up copies the queue.
 */
const SWEEP_AT = 1024;

interface Waiter {
  ended: boolean;
  readonly start: () => void;
}

/**
 * Limits the number of concurrent calls. Calls over the limit wait in a first-in, first-out queue.
 *
 * Bun runs at most 256 fetches at a time per process and queues all further fetches (BUN_CONFIG_MAX_HTTP_REQUESTS). So commands,
 * session look-ups and logins have one limiter each: commands that hang cannot block session look-ups.
 */
export class ConcurrencyLimiter {
  #free: number;
  #waitingCount = 0;
  #queue: Waiter[] = [];
  #head = 0;

  constructor(callsMax: number) {
    if (!(callsMax >= 1)) throw new RangeError("callsMax must be at least 1");
    this.#free = callsMax;
  }

  /**
   * Acquires a permit for one call. Returns `true` if a permit is free, and `false` if the queue is full. Otherwise returns a
   * promise, which resolves when the call gets a permit and rejects when `signal` aborts.
   */
  acquire(signal: AbortSignal): boolean | Promise<true> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return this.#waitingCount < WAITING_MAX && this.#wait(signal);
  }

  /** Passes the permit of a finished call to the first waiting call. If no call waits, the permit becomes free. */
  release(): void {
    const next = this.#next();
    if (next === undefined) this.#free++;
    else next.start();
  }

  #wait(signal: AbortSignal): Promise<true> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const onAbort = () => {
        waiter.ended = true;
        this.#waitingCount--;
        reject(signal.reason);
      };
      const waiter: Waiter = {
        ended: false,
        start: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(true);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waitingCount++;
      this.#queue.push(waiter);
      if (this.#queue.length - this.#waitingCount >= SWEEP_AT) this.#sweep();
    });
  }

  #next(): Waiter | undefined {
    while (this.#head < this.#queue.length) {
      const waiter = this.#queue[this.#head++];
      if (waiter === undefined || waiter.ended) continue;
      waiter.ended = true;
      this.#waitingCount--;
      return waiter;
    }
    this.#queue = [];
    this.#head = 0;
    return undefined;
  }

  #sweep(): void {
    this.#queue = this.#queue.filter((waiter) => !waiter.ended);
    this.#head = 0;
  }
}
