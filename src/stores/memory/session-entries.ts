import type { FoundSession } from "../../core/sessions.ts";

export interface SessionEntry {
  found: FoundSession;
  expiresAtMs: number;
}

interface LinkedEntry extends SessionEntry {
  readonly slot: number;
  next: LinkedEntry | undefined;
  previous: LinkedEntry | undefined;
}

/**
 * Stores at most `entriesMax` sessions. Finds them by id or by user.
 *
 * A ring buffer decides which session is evicted: a new session takes the next place in the ring, and evicts the session that
 * has this place. The order of a `Map` is not used, because in JavaScriptCore, each delete from a large `Map` slows the access to
 * its first key.
 *
 * The sessions of one user form a linked list.
 */
export class SessionEntries {
  readonly #byId = new Map<string, LinkedEntry>();
  /** For each user id: the first entry of the user's linked list. */
  readonly #byUser = new Map<string, LinkedEntry>();
  readonly #ring: (LinkedEntry | undefined)[];
  /** The index in the ring that the next new session takes. */
  #nextIndex = 0;

  constructor(entriesMax: number) {
    if (!Number.isInteger(entriesMax) || entriesMax < 1)
      throw new RangeError(`entriesMax must be a whole number above 0, not ${entriesMax}`);
    this.#ring = new Array(entriesMax).fill(undefined);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** The number of users with at least one session. */
  get users(): number {
    return this.#byUser.size;
  }

  get(deviceSessionId: string): SessionEntry | undefined {
    return this.#byId.get(deviceSessionId);
  }

  *ofUser(userId: string): Generator<SessionEntry> {
    for (let entry = this.#byUser.get(userId); entry !== undefined; entry = entry.next) yield entry;
  }

  put(found: FoundSession, expiresAtMs: number): void {
    const known = this.#byId.get(found.session.deviceSessionId);
    const slot = known === undefined ? this.#nextSlot() : known.slot;
    this.#removeAt(slot);
    const entry: LinkedEntry = { found, expiresAtMs, slot, next: undefined, previous: undefined };
    this.#ring[slot] = entry;
    this.#byId.set(found.session.deviceSessionId, entry);
    this.#link(entry);
  }

  remove(deviceSessionId: string): void {
    const entry = this.#byId.get(deviceSessionId);
    if (entry !== undefined) this.#removeAt(entry.slot);
  }

  clear(): void {
    this.#byId.clear();
    this.#byUser.clear();
    this.#ring.fill(undefined);
    this.#nextIndex = 0;
  }

  #nextSlot(): number {
    const slot = this.#nextIndex;
    this.#nextIndex = (slot + 1) % this.#ring.length;
    return slot;
  }

  #removeAt(slot: number): void {
    const entry = this.#ring[slot];
    if (entry === undefined) return;
    this.#ring[slot] = undefined;
    this.#byId.delete(entry.found.session.deviceSessionId);
    this.#unlink(entry);
  }

  #link(entry: LinkedEntry): void {
    const { userId } = entry.found.session;
    entry.next = this.#byUser.get(userId);
    if (entry.next !== undefined) entry.next.previous = entry;
    this.#byUser.set(userId, entry);
  }

  #unlink(entry: LinkedEntry): void {
    const { userId } = entry.found.session;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
    if (entry.previous !== undefined) entry.previous.next = entry.next;
    else if (entry.next !== undefined) this.#byUser.set(userId, entry.next);
    else this.#byUser.delete(userId);
  }
}
