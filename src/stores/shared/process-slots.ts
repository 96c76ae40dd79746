import { readFileSync } from "node:fs";

/** Number of process slots, which is the maximum number of processes that use one shared file at the same time. */
export const PROCESS_SLOTS = 256;
/** Length of a process slot in 32-bit words: pid, start time (two words), generation. */
const SLOT_WORDS = 4;
export const PROCESS_SLOTS_BYTES = PROCESS_SLOTS * SLOT_WORDS * 4;

const [PID, START_LOW, START_HIGH, GENERATION] = [0, 1, 2, 3];
/** An id consists of a slot number in the lowest `SLOT_BITS` bits and a generation in the bits above. Slot numbers start at 1. */
const SLOT_BITS = 9;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
const GENERATION_MASK = (1 << (31 - SLOT_BITS)) - 1;

/**
 * The processes that use a shared file. Each process has a process slot: 16 bytes of the file.
 *
 * The id of a process is not its pid. The id consists of the number and the generation of the process slot. The generation
 * changes when another process takes the slot, so the two processes have different ids.
 */
export class ProcessSlots {
  readonly #words: Int32Array;
  #used = 0;

  /** `words`: `PROCESS_SLOTS_BYTES` bytes of the shared file. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /**
   * Takes a process slot. Returns the id of the process, which is positive. Throws if all slots belong to running processes.
   */
  join(pid: number = process.pid): number {
    const start = startTime(pid);
    if (start === undefined) throw new Error(`process ${pid} is not running`);
    // A free slot is preferred. If this process takes the slot of a killed process, the counts of the killed process in
    // `SharedHeldCounts` are removed before their lease ends.
    for (const mayBeDead of [false, true]) {
      for (let slot = 0; slot < PROCESS_SLOTS; slot++) {
        const at = slot * SLOT_WORDS;
        const held = Atomics.load(this.#words, at + PID);
        if (held !== 0 && (!mayBeDead || this.#isRunning(slot))) continue;
        // A negative pid marks a process that is joining: its start time is not written yet.
        if (Atomics.compareExchange(this.#words, at + PID, held, -pid) !== held) continue;
        const generation = (Atomics.add(this.#words, at + GENERATION, 1) + 1) & GENERATION_MASK;
        Atomics.store(this.#words, at + START_LOW, Number(start & 0xffff_ffffn) | 0);
        Atomics.store(this.#words, at + START_HIGH, Number(start >> 32n) | 0);
        Atomics.store(this.#words, at + PID, pid);
        return (generation << SLOT_BITS) | (slot + 1);
      }
    }
    throw new Error(`more than ${PROCESS_SLOTS} processes use the shared file`);
  }

  /** Frees the process slot of a process. */
  leave(id: number): void {
    if (this.#isCurrent(id)) Atomics.store(this.#words, slotOf(id) * SLOT_WORDS + PID, 0);
  }

  /** Frees the process slot of a killed process. Does nothing if the process runs. */
  free(id: number): void {
    const at = slotOf(id) * SLOT_WORDS + PID;
    const pid = Atomics.load(this.#words, at);
    if (this.isCurrent(id) && !this.isRunning(id)) Atomics.compareExchange(this.#words, at, pid, 0);
  }

  /** Frees all process slots. Call this only while no process uses the file. */
  freeAll(): void {
    for (let slot = 0; slot < PROCESS_SLOTS; slot++) Atomics.store(this.#words, slot * SLOT_WORDS + PID, 0);
  }

  /** The number of process slots that were taken at least once. `join` takes the first free slot, so they are the first slots. */
  get used(): number {
    while (this.#used < PROCESS_SLOTS && Atomics.load(this.#words, this.#used * SLOT_WORDS + GENERATION) !== 0) this.#used++;
    return this.#used;
  }

  /** The ids of all processes that have a process slot, even if they were killed. */
  ids(): number[] {
    const ids: number[] = [];
    for (let slot = 0; slot < this.used; slot++) {
      const generation = Atomics.load(this.#words, slot * SLOT_WORDS + GENERATION) & GENERATION_MASK;
      const id = (generation << SLOT_BITS) | (slot + 1);
      if (this.isCurrent(id)) ids.push(id);
    }
    return ids;
  }

  /** Whether the process with this id has a process slot, even if it was killed. */
  isCurrent(id: number): boolean {
    return this.#isCurrent(id) && Atomics.load(this.#words, slotOf(id) * SLOT_WORDS + PID) !== 0;
  }

  /** Whether the process with this id is still running. A zombie counts as ended. */
  isRunning(id: number): boolean {
    return this.#isCurrent(id) && this.#isRunning(slotOf(id));
  }

  #isCurrent(id: number): boolean {
    const slot = slotOf(id);
    if (slot < 0 || slot >= PROCESS_SLOTS) return false;
    const generation = Atomics.load(this.#words, slot * SLOT_WORDS + GENERATION) & GENERATION_MASK;
    return generation === id >>> SLOT_BITS;
  }

  #isRunning(slot: number): boolean {
    const at = slot * SLOT_WORDS;
    const pid = Atomics.load(this.#words, at + PID);
    if (pid === 0) return false;
    const start = startTime(Math.abs(pid));
    if (start === undefined || pid < 0) return start !== undefined;
    const low = BigInt(Atomics.load(this.#words, at + START_LOW) >>> 0);
    const high = BigInt(Atomics.load(this.#words, at + START_HIGH) >>> 0);
    return ((high << 32n) | low) === start;
  }
}

/** Returns the number of a process's slot, from the id of the process. The first slot has number 1. */
export function slotNumber(id: number): number {
  return id & SLOT_MASK;
}

function slotOf(id: number): number {
  return slotNumber(id) - 1;
}

/** Indexes of two fields of /proc/<pid>/stat (proc(5)). The first field after the process name has index 0. */
const STATE_FIELD = 0;
const START_FIELD = 19;

/** Returns the start time of a process, in clock ticks since boot; `undefined` if it has ended. */
function startTime(pid: number): bigint | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The process name is in parentheses and may contain any character.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, start] = [fields[STATE_FIELD], fields[START_FIELD]];
    if (state === "Z" || state === "X" || start === undefined) return undefined;
    return BigInt(start);
  } catch {
    return undefined;
  }
}
