import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/ports.ts";
import { HttpFailure } from "./http-failure.ts";

export interface OutageLogOptions {
  /** What the calls are for, as the log names it. */
  readonly calls: "commands" | "session look-ups" | "logins";
  readonly log: Log;
  readonly clock: Clock;
}

/** While calls fail, the log says so this often: a backend that is down fails every call. */
const REMIND_MS = 30_000;

/** Says in the log that calls of the backend fail, with the first that does, and when they succeed again. */
export class OutageLog {
  readonly #options: OutageLogOptions;
  /** On the monotonic clock, since when calls have failed; `undefined` while they succeed, or nobody was told that they fail. */
  #failingSinceMs: number | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Failures since the log last said so. */
  #untold = 0;

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** `thrown`: what the call ended with. A caller that left says nothing of the backend. */
  failed(thrown: unknown): void {
    if (thrown instanceof HttpFailure && thrown.kind === "aborted") return;
    const { calls, log, clock } = this.#options;
    const nowMs = clock.monotonic();
    this.#untold++;
    if (nowMs - this.#toldMs < REMIND_MS) return;
    this.#failingSinceMs ??= nowMs;
    const kind = thrown instanceof HttpFailure ? thrown.kind : "bad_response";
    const cause = describeCause(thrown instanceof HttpFailure ? thrown.cause : thrown);
    log.warn("backend: calls fail", { calls, kind, cause, failures: this.#untold });
    this.#toldMs = nowMs;
    this.#untold = 0;
  }

  succeeded(): void {
    if (this.#failingSinceMs === undefined) return;
    const { calls, log, clock } = this.#options;
    log.info("backend: calls succeed again", { calls, after_ms: Math.round(clock.monotonic() - this.#failingSinceMs) });
    this.#failingSinceMs = undefined;
  }
}
