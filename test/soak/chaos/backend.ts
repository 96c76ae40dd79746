import type { DevBackend } from "../../../src/dev/backend.ts";
import { FaultBackend } from "../../support/fault-backend.ts";

/** The budget of the route `chaos.limited`. */
export const BUDGET = { rate: 10, burst: 20 } as const;
/** Admitted commands reach the backend with a delay that varies. So a few more than the budget may arrive within a short time. */
const ARRIVAL_JITTER_MS = 1000;

const ONCE_PATH = "/api/v1/user/chaos/once";
const LIMITED_PATH = "/api/v1/user/chaos/limited";

export const CHAOS_ROUTES = [
  { message_type: "chaos.once", method: "POST", path: ONCE_PATH },
  { message_type: "chaos.limited", method: "POST", path: LIMITED_PATH, budget: BUDGET },
] as const;

/** The embedded backend with two more commands. It records which of them arrive. */
export class ChaosBackend {
  readonly #backend: FaultBackend;
  /** How often each command `chaos.once` arrived, by its number. */
  readonly #arrivals = new Map<number, number>();
  /** When each command `chaos.limited` arrived. */
  readonly #limitedMs: number[] = [];

  constructor(backend: DevBackend) {
    this.#backend = new FaultBackend(backend);
    this.#backend.on(ONCE_PATH, async (request) => {
      const { n } = Object(await request.json());
      this.#arrivals.set(n, (this.#arrivals.get(n) ?? 0) + 1);
      return Response.json({ n });
    });
    this.#backend.on(LIMITED_PATH, () => {
      this.#limitedMs.push(performance.now());
      return Response.json({});
    });
  }

  get url(): string {
    return this.#backend.url;
  }

  /** Number of different commands `chaos.once` that arrived. */
  get commands(): number {
    return this.#arrivals.size;
  }

  /** Number of commands `chaos.once` that arrived more than once. */
  get repeated(): number {
    return [...this.#arrivals.values()].filter((times) => times > 1).length;
  }

  get limitedCommands(): number {
    return this.#limitedMs.length;
  }

  /** The most commands `chaos.limited` by which any period had more than its budget. */
  get overBudget(): number {
    const { rate, burst } = BUDGET;
    let level = 0;
    let most = 0;
    let lastMs = this.#limitedMs[0] ?? 0;
    for (const ms of this.#limitedMs) {
      level = Math.max(0, level - ((ms - lastMs) / 1000) * rate) + 1;
      lastMs = ms;
      most = Math.max(most, level - burst - (ARRIVAL_JITTER_MS / 1000) * rate);
    }
    return Math.max(0, Math.ceil(most));
  }

  stop(): Promise<void> {
    return this.#backend.stop();
  }
}
