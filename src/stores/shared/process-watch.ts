import type { ProcessSlots } from "./process-slots.ts";

/** A process that was found running is not checked again for this time, in ms. A check reads a file of /proc in about 15 µs. */
const CHECKED_MS = 250;

interface Checked {
  readonly atMs: number;
  /** Monotonic time at which the process was found dead, in ms; `undefined` if the check at `atMs` found it running. */
  readonly deadSinceMs: number | undefined;
}

/** Detects the processes that were killed while they used a shared file. */
export class ProcessWatch {
  readonly #processes: ProcessSlots;
  readonly #monotonic: () => number;
  readonly #checked = new Map<number, Checked>();

  /** `monotonic`: a monotonic clock, in ms. */
  constructor(processes: ProcessSlots, monotonic: () => number) {
    this.#processes = processes;
    this.#monotonic = monotonic;
  }

  /** Returns the time since the process was found dead, in ms; `undefined` if the process is running. */
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

  /** Returns the ids of the processes that were found dead at least `leaseMs` ago and still have a process slot. */
  deadFor(leaseMs: number): number[] {
    const ids = this.#processes.ids();
    for (const id of this.#checked.keys()) if (!ids.includes(id)) this.#checked.delete(id);
    return ids.filter((id) => (this.deadForMs(id) ?? -1) >= leaseMs);
  }
}
