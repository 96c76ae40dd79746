/**
 * Number of ended entries at which the queue is cleaned up. An ended entry belongs to a call that no longer waits. A clean-up
 * copies the queue, so it must be rare.
 */
const SWEEP_AT = 1024;

interface Waiter {
  ended: boolean;
  readonly start: () => void;
}

/**
 * Limits the number of concurrent calls. If too many calls are running, a new call waits in a first-in, first-out queue.
 *
 * Bun runs at most 256 fetches of a process at a time and queues all further fetches (BUN_CONFIG_MAX_HTTP_REQUESTS). Commands,
 * session look-ups, logins and other public calls share these 256 fetches. Each of the four has its own limiter, so commands
 * that hang cannot block session look-ups.
 */
export class ConcurrencyLimiter {
  #callsMax: number;
  #waitingMax: number;
  /** Number of free permits. Negative while more calls run than `#callsMax`. */
  #free: number;
  #waitingCount = 0;
  #queue: Waiter[] = [];
  #head = 0;

  /**
   * `waitingMax` is the maximum number of calls in the queue. The queue is full only if the backend answers too slowly or not at
   * all. A call in the queue still has its own timeout.
   */
  constructor(callsMax: number, waitingMax: number) {
    if (!(callsMax >= 1)) throw new RangeError("callsMax must be at least 1");
    this.#callsMax = callsMax;
    this.#free = callsMax;
    this.#waitingMax = waitingMax;
  }

  /** Number of calls in the queue. */
  get waiting(): number {
    return this.#waitingCount;
  }

  /** Uses other limits from now on. Running calls continue, even if there are more than `callsMax` of them. */
  resize(callsMax: number, waitingMax: number): void {
    this.#free += callsMax - this.#callsMax;
    this.#callsMax = callsMax;
    this.#waitingMax = waitingMax;
    while (this.#free > 0) {
      const next = this.#next();
      if (next === undefined) return;
      this.#free--;
      next.start();
    }
  }

  /**
   * Call this before a call starts. Each running call holds one of `callsMax` permits.
   *
   * - If a permit is free, the call gets it, and the result is `true`.
   * - If no permit is free and the queue is full, the result is `false`.
   * - Otherwise, the call waits in the queue, and the result is a promise. The promise resolves when the call gets a permit. It
   *   rejects when `signal` is aborted.
   */
  acquire(signal: AbortSignal): boolean | Promise<true> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return this.#waitingCount < this.#waitingMax && this.#wait(signal);
  }

  /**
   * Call this after a call has ended. Its permit goes to the first call in the queue. If the queue is empty, the permit becomes
   * free.
   */
  release(): void {
    const next = this.#free < 0 ? undefined : this.#next();
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
