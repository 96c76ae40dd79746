import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log, LogFields } from "../../core/telemetry.ts";
import { HttpFailure } from "./http-failure.ts";

export interface OutageLogOptions {
  /** The kind of backend calls that this log is about. It is the field `calls` of the log lines. */
  readonly calls: "commands" | "session look-ups" | "logins";
  readonly log: Log;
  readonly clock: Clock;
}

/** Minimum time between two warnings. While the backend is down, every call fails. One warning per call would flood the log. */
const WARNING_INTERVAL_MS = 30_000;

/**
 * Logs an outage of the backend. A failed call logs a warning, at most once every `WARNING_INTERVAL_MS`. The first successful
 * call after a warning logs an info line.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  /**
   * Time of the first warning about the current outage, in ms on the monotonic clock. `undefined` if no outage has been logged
   * since the last successful call.
   */
  #failingSinceMs: number | undefined;
  #warnedMs = Number.NEGATIVE_INFINITY;
  /** Number of failed calls since the last warning. */
  #failures = 0;

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** Records a failed call and its error. Ignores a call that the client aborted. */
  failed(thrown: unknown): void {
    if (thrown instanceof HttpFailure && thrown.kind === "aborted") return;
    const { calls, log, clock } = this.#options;
    const nowMs = clock.monotonic();
    this.#failures++;
    if (nowMs - this.#warnedMs < WARNING_INTERVAL_MS) return;
    this.#failingSinceMs ??= nowMs;
    log.warn("backend calls failing", { calls, ...fieldsOf(thrown), failures_since_warning: this.#failures });
    this.#warnedMs = nowMs;
    this.#failures = 0;
  }

  succeeded(): void {
    if (this.#failingSinceMs === undefined) return;
    const { calls, log, clock } = this.#options;
    log.info("backend calls recovered", { calls, after_ms: Math.round(clock.monotonic() - this.#failingSinceMs) });
    this.#failingSinceMs = undefined;
  }
}

/** Returns the log fields of the last failure. Earlier failures since the last warning may have other causes and addresses. */
function fieldsOf(thrown: unknown): LogFields {
  if (!(thrown instanceof HttpFailure)) return { failure: "bad_response", cause: describeCause(thrown) };
  const { kind, called, cause } = thrown;
  return { failure: kind, upstream: called?.upstream, address: called?.address, cause: describeCause(cause) };
}
