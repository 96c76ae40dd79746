import type { Clock } from "../core/clock.ts";
import { CLOCK_JUMP_MS } from "../core/limits.ts";
import type { Log, Metrics } from "../core/telemetry.ts";

export interface ClockWatchParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const CHECK_INTERVAL_MS = 1000;
/**
 * Maximum rate of slewing (gradual correction of the wall clock), in s per s. The Linux kernel slews at most 0.0005 s per s.
 */
const SLEW_MAX = 0.001;

/**
 * Detects steps of the wall clock by comparing it with the monotonic clock.
 *
 * - A step is a change of the wall clock by at least `CLOCK_JUMP_MS` relative to the monotonic clock.
 * - Slewing (gradual correction) of up to `SLEW_MAX` is not a step.
 * - The clocks are compared every second. Smaller changes that are faster than `SLEW_MAX` add up over several comparisons. Their
 *   sum can be a step.
 * - A suspension of the host is a step.
 * - A busy process is not a step, because both clocks are read at the same moment.
 */
export class ClockWatch {
  readonly #parts: ClockWatchParts;
  #offsetMs: number;
  #checkedAtMs: number;

  constructor(parts: ClockWatchParts) {
    this.#parts = parts;
    this.#offsetMs = offsetOf(parts.clock);
    this.#checkedAtMs = parts.clock.monotonic();
  }

  check(): void {
    const { clock, log, metrics } = this.#parts;
    const offsetMs = offsetOf(clock);
    const jumpMs = offsetMs - this.#offsetMs;
    const slewMs = (clock.monotonic() - this.#checkedAtMs) * SLEW_MAX;
    this.#checkedAtMs = clock.monotonic();
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

/** Checks the wall clock every second until `stop` is called. */
export function watchClock(parts: ClockWatchParts): { stop(): void } {
  const watch = new ClockWatch(parts);
  const timer = setInterval(() => watch.check(), CHECK_INTERVAL_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function offsetOf(clock: Clock): number {
  return clock.now() - clock.monotonic();
}
