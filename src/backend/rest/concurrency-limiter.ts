/** How many calls may wait for a slot. Each waits no longer than its own timeout; more than this is a backend that is down. */
const WAITING_MAX = 4096;
/** Ended waiters are swept out of the line when this many have gathered. */
const SWEEP_AT = 1024;

interface Waiter {
  ended: boolean;
  readonly go: () => void;
}

/**
 * Bounds the calls under way at once; the rest wait in line, first come first served.
 *
 * Bun runs at most 256 fetches at a time for the whole process and queues the others (BUN_CONFIG_MAX_HTTP_REQUESTS). With slots of
 * its own for each purpose, a backend that hangs on commands cannot starve the session look-ups.
 */
export class ConcurrencyLimiter {
  #free: number;
  #waitingCount = 0;
  #line: Waiter[] = [];
  #head = 0;

  constructor(callsMax: number) {
    if (!(callsMax >= 1)) throw new RangeError("callsMax must be at least 1");
    this.#free = callsMax;
  }

  /** Takes a slot: `true` at once, `false` where the line is full, else when one is free. Rejects when `signal` aborts. */
  take(signal: AbortSignal): boolean | Promise<true> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return this.#waitingCount < WAITING_MAX && this.#wait(signal);
  }

  /** Gives a slot back: to the next in line, where there is one. */
  release(): void {
    const next = this.#next();
    if (next === undefined) this.#free++;
    else next.go();
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
        go: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(true);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waitingCount++;
      this.#line.push(waiter);
      if (this.#line.length - this.#waitingCount >= SWEEP_AT) this.#sweep();
    });
  }

  #next(): Waiter | undefined {
    while (this.#head < this.#line.length) {
      const waiter = this.#line[this.#head++];
      if (waiter === undefined || waiter.ended) continue;
      waiter.ended = true;
      this.#waitingCount--;
      return waiter;
    }
    this.#line = [];
    this.#head = 0;
    return undefined;
  }

  #sweep(): void {
    this.#line = this.#line.filter((waiter) => !waiter.ended);
    this.#head = 0;
  }
}
