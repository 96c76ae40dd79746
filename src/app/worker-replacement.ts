import { messageOf } from "../core/cause.ts";
import type { Log } from "../core/telemetry.ts";
import type { UpgradeOutcome } from "../core/upgrade.ts";

export interface WorkerReplacementParts {
  /** Replaces all workers, one after the other. Resolves to the number of workers. `undefined` if the gateway has no workers. */
  readonly replace: (() => Promise<number>) | undefined;
  /** Returns the reason why the workers must not be replaced now. Returns `undefined` if there is none. */
  readonly obstacle: () => string | undefined;
  readonly log: Log;
}

/**
 * Replaces the workers, one after the other, but not the supervisor. The new workers get the current configuration. They run the
 * same executable as the supervisor, even if the file of the executable was replaced.
 */
export class WorkerReplacement {
  readonly #parts: WorkerReplacementParts;
  #isRunning = false;

  constructor(parts: WorkerReplacementParts) {
    this.#parts = parts;
  }

  /** While the workers are being replaced: the reason to refuse a reload or an upgrade. Otherwise: `undefined`. */
  get activity(): string | undefined {
    return this.#isRunning ? "workers are being replaced" : undefined;
  }

  async request(): Promise<UpgradeOutcome> {
    const { replace, log } = this.#parts;
    if (replace === undefined) return this.#refuse("the gateway has no workers");
    const problem = this.activity ?? this.#parts.obstacle();
    if (problem !== undefined) return this.#refuse(problem);
    this.#isRunning = true;
    try {
      return { kind: "workers replaced", workers: await replace() };
    } catch (cause) {
      log.error("replacement of workers failed", { cause: messageOf(cause) });
      return { kind: "failed", problem: messageOf(cause) };
    } finally {
      this.#isRunning = false;
    }
  }

  #refuse(problem: string): UpgradeOutcome {
    this.#parts.log.warn("replacement of workers refused", { cause: problem });
    return { kind: "refused", problem };
  }
}
