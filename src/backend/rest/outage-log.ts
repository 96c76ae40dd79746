import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import { HttpFailure } from "./http-failure.ts";

export interface OutageLogOptions {
  /** The kind of calls, as a log field. */
  readonly calls: "commands" | "session look-ups" | "logins";
  readonly log: Log;
  readonly clock: Clock;
}

/** Minimum time between two warnings. Every call fails while the backend is down. */
const WARNING_INTERVAL_MS = 30_000;

/** Logs an outage of the backend: a warning at the first failed call and every 30 s, and an info line when calls succeed again. */
export class OutageLog {
  readonly #options: OutageLogOptions;
  /** Start of the outage on the monotonic clock. `undefined` unless a warning of this outage was logged. */
  #failingSinceMs: number | undefined;
  #warnedMs = Number.NEGATIVE_INFINITY;
  /** Failures since the last warning. */
  #failures = 0;

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** Records what a call threw. A call that its caller aborted is not counted. */
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
