import type { AnswerAge, AnswerBounds, OnEvicted } from "../../core/answers.ts";
import type { BackendReply } from "../../core/backend.ts";
import { ANSWER_OVERHEAD_BYTES, ANSWER_SHARES } from "../../core/limits.ts";
import { Fifo, type FifoNode } from "./fifo.ts";

/** One kept answer. `name` identifies its session and its idempotency key. */
export interface KeptAnswer {
  readonly name: string;
  readonly deviceSessionId: string;
  readonly fingerprint: string;
  readonly reply: BackendReply;
  readonly age: AnswerAge;
}

interface Entry extends KeptAnswer {
  /** The number of answers that were kept before this one. The oldest answer has the lowest number. */
  readonly number: number;
  readonly bytes: number;
}

/** Answers, oldest first. */
interface AnswerList {
  readonly fifo: Fifo<Entry>;
  bytes: number;
}

/** An answer and its places in the list of its session and in the list of its age. */
interface Placed {
  readonly entry: Entry;
  readonly inSession: FifoNode<Entry>;
  readonly inAge: FifoNode<Entry>;
}

/**
 * The kept answers in this process's memory, bounded by number, size and age. At a bound, the oldest answers are evicted. A session
 * that would exceed its share evicts its own oldest answers.
 */
export class KeptAnswers {
  readonly #bounds: AnswerBounds;
  readonly #sessionBounds: AnswerBounds;
  readonly #onEvicted: OnEvicted;
  readonly #byName = new Map<string, Placed>();
  readonly #bySession = new Map<string, AnswerList>();
  /** The answers by `keptForMs`. The first answer of each list expires first. */
  readonly #byAge = new Map<number, AnswerList>();
  #bytes = 0;
  #added = 0;

  constructor(bounds: AnswerBounds, onEvicted: OnEvicted) {
    this.#bounds = bounds;
    this.#sessionBounds = { entriesMax: bounds.entriesMax / ANSWER_SHARES, bytesMax: bounds.bytesMax / ANSWER_SHARES };
    this.#onEvicted = onEvicted;
  }

  get entries(): number {
    return this.#byName.size;
  }

  /** The size of all answers, each with ANSWER_OVERHEAD_BYTES. */
  get bytes(): number {
    return this.#bytes;
  }

  get(name: string): KeptAnswer | undefined {
    return this.#byName.get(name)?.entry;
  }

  /** Stores an answer whose name is not in use. Returns false if the answer is larger than the share of a session. */
  add(answer: KeptAnswer): boolean {
    const bytes = answer.reply.payloadBytes.byteLength + ANSWER_OVERHEAD_BYTES;
    if (isOver(1, bytes, this.#sessionBounds)) return false;
    this.#makeRoom(answer.deviceSessionId, bytes);
    const entry = { ...answer, bytes, number: this.#added++ };
    const inSession = append(this.#bySession, entry.deviceSessionId, entry);
    const inAge = append(this.#byAge, entry.age.keptForMs, entry);
    this.#byName.set(entry.name, { entry, inSession, inAge });
    this.#bytes += bytes;
    return true;
  }

  remove(name: string): void {
    const placed = this.#byName.get(name);
    if (placed === undefined) return;
    const { entry, inSession, inAge } = placed;
    this.#byName.delete(name);
    unlink(this.#bySession, entry.deviceSessionId, inSession);
    unlink(this.#byAge, entry.age.keptForMs, inAge);
    this.#bytes -= entry.bytes;
  }

  /** Deletes the answers that have expired. Returns the freed bytes. */
  trim(nowMs: number): number {
    const bytesBefore = this.#bytes;
    for (const { fifo } of this.#byAge.values()) {
      for (let first = fifo.first; first !== undefined && first.age.storedUntilMs <= nowMs; first = fifo.first) {
        this.remove(first.name);
      }
    }
    return bytesBefore - this.#bytes;
  }

  #makeRoom(deviceSessionId: string, bytes: number): void {
    let evicted = 0;
    const evict = (entry: Entry | undefined) => {
      if (entry === undefined) return;
      this.remove(entry.name);
      evicted++;
    };
    const own = this.#bySession.get(deviceSessionId);
    while (own !== undefined && isOver(own.fifo.size + 1, own.bytes + bytes, this.#sessionBounds)) evict(own.fifo.first);
    while (isOver(this.entries + 1, this.#bytes + bytes, this.#bounds)) evict(this.#oldest());
    if (evicted > 0) this.#onEvicted(evicted);
  }

  #oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { fifo } of this.#byAge.values()) {
      if (oldest === undefined || (fifo.first !== undefined && fifo.first.number < oldest.number)) oldest = fifo.first;
    }
    return oldest;
  }
}

function isOver(entries: number, bytes: number, { entriesMax, bytesMax }: AnswerBounds): boolean {
  return entries > entriesMax || bytes > bytesMax;
}

function append<K>(lists: Map<K, AnswerList>, key: K, entry: Entry): FifoNode<Entry> {
  const list = lists.get(key) ?? { fifo: new Fifo<Entry>(), bytes: 0 };
  if (list.fifo.size === 0) lists.set(key, list);
  list.bytes += entry.bytes;
  return list.fifo.add(entry);
}

/** Removes an entry from its list. Removes the list too if the list is then empty. */
function unlink<K>(lists: Map<K, AnswerList>, key: K, node: FifoNode<Entry>): void {
  const list = lists.get(key);
  if (list === undefined) return;
  list.fifo.remove(node);
  list.bytes -= node.item.bytes;
  if (list.fifo.size === 0) lists.delete(key);
}
