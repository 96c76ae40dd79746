import type { Clock } from "../core/clock.ts";
import { CLOCK_JUMP_MS } from "../core/limits.ts";
import type { Log, Metrics } from "../core/ports.ts";

export interface ClockWatchParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const LOOK_EVERY_MS = 1000;
/** How much faster or slower than the monotonic clock the wall clock may be made to go: twice what the kernel's discipline does. */
const SLEW_MAX = 0.001;

/**
 * Notices that the wall clock was set, by comparing it with the monotonic one. Both are read in one breath, so that a busy process is
 * not taken for a jump; a host that slept is one. Small steps add up: only what slewing explains is forgotten.
 */
export class ClockWatch {
  readonly #parts: ClockWatchParts;
  #offsetMs: number;
  #lookedMs: number;

  constructor(parts: ClockWatchParts) {
    this.#parts = parts;
    this.#offsetMs = offsetOf(parts.clock);
    this.#lookedMs = parts.clock.monotonic();
  }

  look(): void {
    const { clock, log, metrics } = this.#parts;
    const offsetMs = offsetOf(clock);
    const jumpMs = offsetMs - this.#offsetMs;
    const slewMs = (clock.monotonic() - this.#lookedMs) * SLEW_MAX;
    this.#lookedMs = clock.monotonic();
    if (Math.abs(jumpMs) < CLOCK_JUMP_MS) {
      this.#offsetMs += Math.min(Math.max(jumpMs, -slewMs), slewMs);
      return;
    }
    this.#offsetMs = offsetMs;
    const direction = jumpMs > 0 ? "forward" : "back";
    metrics.count("sallyport_clock_jumps_total", { direction });
    log.warn("wall clock step", { direction, by_ms: Math.round(Math.abs(jumpMs)) });
  }
}

/** Looks at the clock every second, until stopped. */
export function watchClock(parts: ClockWatchParts): { stop(): void } {
  const watch = new ClockWatch(parts);
  const timer = setInterval(() => watch.look(), LOOK_EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function offsetOf(clock: Clock): number {
  return clock.now() - clock.monotonic();
}
