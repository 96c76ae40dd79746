import type { ProcessSlots } from "./process-slots.ts";

/** How long the result of a check is used, in ms. A check reads a file of /proc, which takes about 15 µs. */
const CHECKED_MS = 250;

interface Checked {
  readonly atMs: number;
  /** When the process was first found dead; `undefined` if it runs. */
  readonly deadSinceMs: number | undefined;
}

/** Watches which processes of a shared file have ended without a clean stop. */
export class ProcessWatch {
  readonly #processes: ProcessSlots;
  readonly #monotonic: () => number;
  readonly #checked = new Map<number, Checked>();

  /** `monotonic`: a monotonic clock, in ms. */
  constructor(processes: ProcessSlots, monotonic: () => number) {
    this.#processes = processes;
    this.#monotonic = monotonic;
  }

  /** Returns for how long a process is known to be dead, in ms; `undefined` if it runs. */
  deadForMs(id: number): number | undefined {
    const nowMs = this.#monotonic();
    let checked = this.#checked.get(id);
    const isDead = checked?.deadSinceMs !== undefined;
    if (checked === undefined || (!isDead && nowMs - checked.atMs >= CHECKED_MS)) {
      checked = { atMs: nowMs, deadSinceMs: this.#processes.isRunning(id) ? undefined : nowMs };
      this.#checked.set(id, checked);
    }
    return checked.deadSinceMs === undefined ? undefined : nowMs - checked.deadSinceMs;
  }

  /** Returns the processes that have been dead for at least `leaseMs` and whose slot is not free yet. */
  deadFor(leaseMs: number): number[] {
    const ids = this.#processes.ids();
    for (const id of this.#checked.keys()) if (!ids.includes(id)) this.#checked.delete(id);
    return ids.filter((id) => (this.deadForMs(id) ?? -1) >= leaseMs);
  }
}
