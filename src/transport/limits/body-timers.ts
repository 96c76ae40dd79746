/** Time that a stop leaves to requests whose body is incomplete. */
const DRAIN_BODY_MS = 1000;

/** The timer of one body. */
export interface BodyTimer {
  readonly onTimeout: (timeoutMs: number) => void;
  timeout: ReturnType<typeof setTimeout>;
}

/**
 * The timers of the request bodies that are being received. A stop shortens them: it waits for requests in flight, so a body that never
 * arrives would delay it until its deadline.
 */
export class BodyTimers {
  readonly #running = new Set<BodyTimer>();
  #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Starts the timer of a body. `onTimeout` gets the time that the body had. */
  start(onTimeout: BodyTimer["onTimeout"]): BodyTimer {
    const timeout = setTimeout(onTimeout, this.#timeoutMs, this.#timeoutMs);
    const timer = { onTimeout, timeout };
    this.#running.add(timer);
    return timer;
  }

  stop(timer: BodyTimer): void {
    clearTimeout(timer.timeout);
    this.#running.delete(timer);
  }

  /** Leaves `drainMs` to the running timers, and to all that start later. */
  drain(drainMs: number = DRAIN_BODY_MS): void {
    if (drainMs >= this.#timeoutMs) return;
    this.#timeoutMs = drainMs;
    for (const timer of this.#running) {
      clearTimeout(timer.timeout);
      timer.timeout = setTimeout(timer.onTimeout, drainMs, drainMs);
    }
  }
}
