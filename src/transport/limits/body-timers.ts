import { type Held, LiveSet } from "../../core/live-set.ts";

/** Timeout of request bodies while the gateway stops, in ms. */
const DRAIN_BODY_MS = 1000;

interface BodyTimer {
  readonly onTimeout: (timeoutMs: number) => void;
  timeout: ReturnType<typeof setTimeout>;
}

/**
 * The timers of all request bodies that are being received. When the gateway stops, it waits for requests in flight. `drain`
 * shortens the timers, so that an incomplete body does not delay the stop for long.
 */
export class BodyTimers {
  readonly #running = new LiveSet<BodyTimer>();
  #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Starts the timer of a body. When the timer expires, `onTimeout` is called with the timeout, in ms. */
  start(onTimeout: BodyTimer["onTimeout"]): Held<BodyTimer> {
    const timeout = setTimeout(onTimeout, this.#timeoutMs, this.#timeoutMs);
    return this.#running.add({ onTimeout, timeout });
  }

  stop(timer: Held<BodyTimer>): void {
    clearTimeout(timer.item?.timeout);
    this.#running.remove(timer);
  }

  /**
   * Sets the timeout of all later timers to `drainMs`, and restarts all running timers with `drainMs`. Does nothing if
   * `drainMs` is not shorter than the current timeout.
   */
  drain(drainMs: number = DRAIN_BODY_MS): void {
    if (drainMs >= this.#timeoutMs) return;
    this.#timeoutMs = drainMs;
    for (const timer of this.#running) {
      clearTimeout(timer.timeout);
      timer.timeout = setTimeout(timer.onTimeout, drainMs, drainMs);
    }
  }
}
