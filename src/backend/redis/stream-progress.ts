import { compareIds, type StreamRead, ZERO_ID } from "./stream-reader.ts";

/**
 * The position of a gateway in the Redis Stream. It detects entries that were removed before the gateway read them, and a stream
 * that lost its data.
 */
export class StreamProgress {
  #id: string;
  /** The hash of the entry at `#id`; `undefined` if there was no such entry. */
  #hash: string | undefined;
  /** The number of entries that were ever added to the stream, up to the entry at `#id`. `undefined` if it is not known. */
  #added: number | undefined;
  /** Whether the next read is the first one over a new connection. */
  #isReconnected = true;
  #hasRead = false;
  #startsAtOldest: boolean;

  /** If `startsAtOldest` is true, the first read starts at the oldest entry. This read never has a gap. */
  constructor(id: string, startsAtOldest: boolean) {
    this.#id = id;
    this.#startsAtOldest = startsAtOldest;
    this.#added = id === ZERO_ID && !startsAtOldest ? 0 : undefined;
  }

  /** The id of the last entry that was read. */
  get id(): string {
    return this.#id;
  }

  /** Call this for each new connection. The connection may lead to another server, or to a server that lost its data. */
  reconnected(): void {
    this.#isReconnected = true;
  }

  /** Whether entries between `id` and the first entry of the read may be lost. */
  hasGap(read: StreamRead): boolean {
    if (this.#startsAtOldest) return false;
    if (compareIds(read.lastId, this.#id) < 0) return true;
    // The stream was empty at the last read. Before this connection was opened, entries may have been added and lost.
    if (this.#id === ZERO_ID && this.#isReconnected && this.#hasRead) return true;
    // After a data loss, a new entry can get the id of a lost entry. So if the entry at `#id` has another hash than at the last
    // read, the stream has lost data. The same is true if there was no entry at `#id` at the last read.
    const isKnown = read.hashAtId !== undefined;
    if (isKnown && this.#hasRead && read.hashAtId !== this.#hash) return true;
    if (read.isComplete && this.#added !== undefined && read.added !== this.#added + read.entries.length) return true;
    if (isKnown || this.#id === ZERO_ID) return this.#isDeletedAfter(read);
    // Either the entry at `#id` was removed, or the stream lost all its data. Both look alike, so a newer entry counts as a gap.
    return read.lastId !== this.#id;
  }

  /**
   * Whether an entry after `#id` was removed. If the entry at `#id` exists, no later entry was trimmed, because Redis trims the
   * oldest entries first. So a later entry is missing only if XDEL deleted it.
   */
  #isDeletedAfter(read: StreamRead): boolean {
    if (this.#id === ZERO_ID && read.removed > 0) return true;
    return compareIds(read.maxDeletedId, this.#id) > 0;
  }

  /** Moves to the last entry of `read`, which must have no gap. */
  advance(read: StreamRead): void {
    if (read.isComplete) {
      // The position is the last id, even if the entry with this id was deleted.
      this.skipTo(read);
      return;
    }
    const added = this.#added === undefined ? undefined : this.#added + read.entries.length;
    this.#move(read.entries.at(-1)?.id ?? this.#id, read.lastHash, added);
  }

  /** Moves to the end of the stream. */
  skipTo(read: StreamRead): void {
    this.#move(read.lastId, read.newestHash, read.added);
  }

  #move(id: string, hash: string | undefined, added: number | undefined): void {
    this.#id = id;
    this.#hash = hash;
    this.#added = added;
    this.#isReconnected = false;
    this.#hasRead = true;
    this.#startsAtOldest = false;
  }
}
