import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import { HttpFailure } from "./http-failure.ts";

export interface OutageLogOptions {
  /** The kind of calls whose outages are logged. It is the field `calls` of the log lines. */
  readonly calls: "commands" | "session look-ups" | "logins";
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * Minimum time between two warnings. While the backend is down every call fails, and one warning per call would flood the log.
 */
const WARNING_INTERVAL_MS = 30_000;

/**
 * Logs an outage of the backend. The first failed call logs a warning, which is repeated every `WARNING_INTERVAL_MS` while calls
 * fail. When calls succeed again, an info line is logged.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  /** Start of the current outage, in ms on the monotonic clock. `undefined` until a warning of the outage is logged. */
  #failingSinceMs: number | undefined;
  #warnedMs = Number.NEGATIVE_INFINITY;
  /** Number of failed calls since the last warning. */
  #failures = 0;

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** Records the error of a failed call. A call that was aborted by its caller is not counted. */
  failed(thrown: unknown): void {
    if (thrown instanceof HttpFailure && thrown.kind === "aborted") return;
    const { calls, log, clock } = this.#options;
    const nowMs = clock.monotonic();
    this.#failures++;
    if (nowMs - this.#warnedMs < WARNING_INTERVAL_MS) return;
    this.#failingSinceMs ??= nowMs;
    const kind = thrown instanceof HttpFailure ? thrown.kind : "bad_response";
    const cause = describeCause(thrown instanceof HttpFailure ? thrown.cause : thrown);
    log.warn("backend calls failing", { calls, kind, cause, failures: this.#failures });
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
