import type { AnswerAge, AnswerBounds, OnEvicted } from "../../core/answers.ts";
import type { BackendReply } from "../../core/backend.ts";
import { ANSWER_OVERHEAD_BYTES, ANSWER_SHARES } from "../../core/limits.ts";
import type { Held } from "../../core/live-set.ts";
import { Fifo } from "./fifo.ts";

/** One kept answer. `name` identifies its session and its idempotency key. */
export interface KeptAnswer {
  readonly name: string;
  readonly deviceSessionId: string;
  readonly fingerprint: string;
  readonly reply: BackendReply;
  readonly age: AnswerAge;
  /**
   * The monotonic clock minus the wall clock when the answer was stored. If this difference has changed, the wall clock was
   * set.
   */
  readonly clockOffsetMs: number;
}

/** The current time on the wall clock and on the monotonic clock, in ms. */
export type Now = Readonly<Record<"wallMs" | "monotonicMs", number>>;

/** A kept answer, its size, and the two lists that contain it. */
interface Entry {
  readonly answer: KeptAnswer;
  readonly bytes: number;
  /** The number of answers that were kept before this one. The oldest answer has the lowest number. */
  readonly number: number;
  readonly ofSession: AnswerList;
  readonly ofAge: AnswerList;
}

/** A list of kept answers, oldest first: all answers of one session, or all answers with the same `keptForMs`. */
interface AnswerList {
  readonly fifo: Fifo<Entry>;
  bytes: number;
}

/**
 * The kept answers in this process's memory. Their number, size and age are limited.
 *
 * - One session may use at most 1/`ANSWER_SHARES` of a limit. Beyond this share, a new answer evicts the session's own oldest
 *   answers.
 * - If all answers together would exceed a limit, the oldest answers of all sessions are evicted.
 */
export class KeptAnswers {
  readonly #bounds: AnswerBounds;
  readonly #sessionBounds: AnswerBounds;
  readonly #onEvicted: OnEvicted;
  readonly #byName = new Map<string, Held<Entry>>();
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

  /** The size of all payloads, plus ANSWER_OVERHEAD_BYTES for each answer. */
  get bytes(): number {
    return this.#bytes;
  }

  get(name: string): KeptAnswer | undefined {
    return this.#byName.get(name)?.item?.answer;
  }

  /** Returns all answers, oldest first. */
  all(): KeptAnswer[] {
    return [...this.#byName.values()].flatMap(({ item }) => item?.answer ?? []);
  }

  /** Stores an answer whose name is not in use. Returns false if the answer alone is larger than the share of one session. */
  add(answer: KeptAnswer): boolean {
    const bytes = answer.reply.payloadBytes.byteLength + ANSWER_OVERHEAD_BYTES;
    if (isOver(1, bytes, this.#sessionBounds)) return false;
    const { name, deviceSessionId, age } = answer;
    const evicted = this.#makeRoom(this.#bySession.get(deviceSessionId), bytes);
    if (evicted > 0) this.#onEvicted(evicted);
    const ofSession = listOf(this.#bySession, deviceSessionId);
    const ofAge = listOf(this.#byAge, age.keptForMs);
    const held: Held<Entry> = { item: { answer, bytes, number: this.#added++, ofSession, ofAge } };
    this.#byName.set(name, held);
    for (const list of [ofSession, ofAge]) {
      list.fifo.add(held);
      list.bytes += bytes;
    }
    this.#bytes += bytes;
    return true;
  }

  remove(name: string): void {
    const held = this.#byName.get(name);
    if (held?.item === undefined) return;
    const { answer, bytes, ofSession, ofAge } = held.item;
    this.#byName.delete(name);
    for (const list of [ofSession, ofAge]) {
      list.fifo.remove(held);
      list.bytes -= bytes;
    }
    if (ofSession.fifo.size === 0) this.#bySession.delete(answer.deviceSessionId);
    if (ofAge.fifo.size === 0) this.#byAge.delete(answer.age.keptForMs);
    this.#bytes -= bytes;
  }

  /**
   * Deletes the answers that have expired. Returns the freed bytes. An answer expires when `storedUntilMs` has passed on the wall
   * clock and on the monotonic clock. So no answer is deleted too early if the wall clock is set ahead for a while.
   */
  trim(now: Now): number {
    const bytesBefore = this.#bytes;
    for (const { fifo } of this.#byAge.values()) {
      for (let first = fifo.first; first !== undefined && isExpired(first.answer, now); first = fifo.first) {
        this.remove(first.answer.name);
      }
    }
    return bytesBefore - this.#bytes;
  }

  /** Evicts answers until there is room for a new answer of `bytes` bytes. Returns the number of evicted answers. */
  #makeRoom(own: AnswerList | undefined, bytes: number): number {
    const before = this.entries;
    while (own !== undefined && isOver(own.fifo.size + 1, own.bytes + bytes, this.#sessionBounds)) this.#evict(own.fifo.first);
    while (isOver(this.entries + 1, this.#bytes + bytes, this.#bounds)) this.#evict(this.#oldest());
    return before - this.entries;
  }

  #evict(entry: Entry | undefined): void {
    if (entry === undefined) throw new Error("a bound is exceeded although no answer is kept");
    this.remove(entry.answer.name);
  }

  #oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { fifo } of this.#byAge.values()) {
      const { first } = fifo;
      if (oldest === undefined || (first !== undefined && first.number < oldest.number)) oldest = first;
    }
    return oldest;
  }
}

function isExpired({ age: { storedUntilMs }, clockOffsetMs }: KeptAnswer, { wallMs, monotonicMs }: Now): boolean {
  return storedUntilMs <= wallMs && storedUntilMs + clockOffsetMs <= monotonicMs;
}

function isOver(entries: number, bytes: number, { entriesMax, bytesMax }: AnswerBounds): boolean {
  return entries > entriesMax || bytes > bytesMax;
}

function listOf<K>(lists: Map<K, AnswerList>, key: K): AnswerList {
  const found = lists.get(key);
  if (found !== undefined) return found;
  const list = { fifo: new Fifo<Entry>(), bytes: 0 };
  lists.set(key, list);
  return list;
}
