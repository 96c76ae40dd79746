import type { StreamTiming } from "../../../src/client/stream-timing.ts";
import { ManualClock } from "../../support/manual-clock.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** A manual clock with timers. They stand still until the test advances them. */
export class ManualTiming implements StreamTiming {
  readonly #random: () => number;
  readonly #timers = new Set<Timer>();
  readonly #clock = new ManualClock();

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  random(): number {
    return this.#random();
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.monotonic() + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** The number of timers that run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Advances both clocks, and runs each timer at its time. Promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.monotonic() + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      this.#clock.advance(Math.max(0, (due?.atMs ?? untilMs) - this.monotonic()));
      if (due === undefined) return;
      this.#timers.delete(due);
      due.run();
      await settle();
    }
  }

  /** The device sleeps: the wall clock advances, the monotonic clock and the timers do not. */
  sleep(ms: number): void {
    this.#clock.step(ms);
  }
}

/** Lets all promises settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
}
