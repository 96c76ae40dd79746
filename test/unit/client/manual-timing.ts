import type { StreamTiming } from "../../../src/client/stream-timing.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** Clocks and timers that stand still until the test advances them. */
export class ManualTiming implements StreamTiming {
  readonly #random: () => number;
  readonly #timers = new Set<Timer>();
  #nowMs = 1_760_000_000_000;
  #monotonicMs = 5000;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  random(): number {
    return this.#random();
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** The number of timers that run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Advances both clocks, and runs each timer at its time. Promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      this.#move((due?.atMs ?? untilMs) - this.#monotonicMs);
      if (due === undefined) return;
      this.#timers.delete(due);
      due.run();
      await settle();
    }
  }

  /** The device sleeps: the wall clock advances, the monotonic clock and the timers do not. */
  sleep(ms: number): void {
    this.#nowMs += ms;
  }

  #move(ms: number): void {
    const forwardMs = Math.max(0, ms);
    this.#nowMs += forwardMs;
    this.#monotonicMs += forwardMs;
  }
}

/** Lets all promises settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
}
