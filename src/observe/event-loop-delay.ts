import type { Clock } from "../core/clock.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** Interval of the timer whose delay is measured, in ms. */
const INTERVAL_MS = 250;
/** Number of measurements in one window of 10 s. */
const WINDOW = 40;

/**
 * Measures the event loop delay: how late a timer fires because the event loop is busy. The metric is the longest delay in the
 * current and the previous window. So a delay stays visible for at least 10 s.
 */
export function watchEventLoop(clock: Pick<Clock, "monotonic">, metrics: GatewayMetrics): { stop(): void } {
  let dueMs = clock.monotonic() + INTERVAL_MS;
  let [current, previous, measurements] = [0, 0, 0];
  const timer = setInterval(() => {
    const nowMs = clock.monotonic();
    current = Math.max(current, nowMs - dueMs);
    dueMs = nowMs + INTERVAL_MS;
    if (++measurements % WINDOW === 0) [previous, current] = [current, 0];
  }, INTERVAL_MS).unref();
  const ended = metrics.beforeRender(() => {
    const longestMs = Math.max(current, previous, clock.monotonic() - dueMs);
    metrics.gauge("sallyport_event_loop_delay_seconds", longestMs / 1000);
  });
  return {
    stop() {
      clearInterval(timer);
      ended();
    },
  };
}
