import { TableBusyError } from "../table.ts";

/**
 * Number of reads of the lock word before a waiting process sleeps. Most waits are short, because an operation takes about 1 µs.
 */
const SPINS = 500;
/** After `SPINS` reads, a waiting process sleeps this long before each further read, in ms. The holder can then use the CPU. */
const SLEEP_MS = 0.05;
/** After waiting for this time, in ms, a process checks whether the holder of the lock is still running. */
const CHECK_AFTER_MS = 5;
/** Maximum waiting time for a lock whose holder is running, in ms. */
const WAIT_MS_MAX = 500;
/**
 * Between two reads of the lock word, at most this time counts as waiting, in ms. If more time passes, the waiting process was
 * suspended. The holder may have been suspended too, because the machine was busy. So the rest of the time does not count towards
 * the timeout.
 */
const READ_MS_MAX = 10;

const FREE = 0;

export interface SegmentLockParts {
  /** The id of this process; see `ProcessSlots`. */
  readonly self: number;
  readonly isRunning: (id: number) => boolean;
  /** A monotonic clock, in ms. */
  readonly monotonic: () => number;
}

/**
 * A spin lock in shared memory. The lock word is the id of the process that holds the lock; 0 if the lock is free.
 *
 * If the holder was killed, a waiting process takes over the lock. The holder may have been killed between two writes. So the
 * process that takes over must first repair the data that the lock protects.
 */
export class SegmentLock {
  readonly #parts: SegmentLockParts;

  constructor(parts: SegmentLockParts) {
    this.#parts = parts;
  }

  /** Waits for the lock. Returns true if the lock was taken over from a killed process. Throws `TableBusyError` on timeout. */
  acquire(words: Int32Array, at: number): boolean {
    return Atomics.compareExchange(words, at, FREE, this.#parts.self) === FREE ? false : this.#wait(words, at);
  }

  release(words: Int32Array, at: number): void {
    Atomics.store(words, at, FREE);
  }

  #wait(words: Int32Array, at: number): boolean {
    const { self, isRunning, monotonic } = this.#parts;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(words, at) === FREE && Atomics.compareExchange(words, at, FREE, self) === FREE) return false;
    }
    let waitedMs = 0;
    for (let lastMs = monotonic(); ; ) {
      const holder = Atomics.compareExchange(words, at, FREE, self);
      if (holder === FREE) return false;
      const nowMs = monotonic();
      waitedMs += Math.min(nowMs - lastMs, READ_MS_MAX);
      lastMs = nowMs;
      if (waitedMs >= CHECK_AFTER_MS && !isRunning(holder)) {
        if (Atomics.compareExchange(words, at, holder, self) === holder) return true;
        continue;
      }
      if (waitedMs >= WAIT_MS_MAX) throw new TableBusyError();
      Bun.sleepSync(SLEEP_MS);
    }
  }
}
