/** A peer whose network is known. */
export interface Networked {
  readonly network: string;
}

/** Ends a stream, to make room for a new stream from another network. */
export type Evict = () => void;

/**
 * Limits the number of streams of unauthenticated clients. A network with many streams cannot keep out a network with few
 * streams.
 *
 * The largest network is the network with the most streams. If the limit is reached:
 *
 * - If the network of the new stream has as many streams as the largest network, or one less, the new stream is refused.
 * - Otherwise, the new stream replaces the newest stream of the largest network.
 */
export class FairQuota {
  readonly #max: number;
  /** The open streams of each network, oldest first. Each stream is stored as its `evict` function. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Adds a stream of `network`. Returns false if the stream is refused. If another stream later replaces this stream, `evict`
   * is called once.
   */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const holds = this.#held.get(network);
    if (holds === undefined) this.#held.set(network, [evict]);
    else holds.push(evict);
    this.#count++;
    return true;
  }

  /** Removes the stream that was added with `evict`. Does nothing if another stream has already replaced it. */
  release(network: string, evict: Evict): void {
    const holds = this.#held.get(network) ?? [];
    const at = holds.lastIndexOf(evict);
    if (at === -1) return;
    holds.splice(at, 1);
    if (holds.length === 0) this.#held.delete(network);
    this.#count--;
  }

  #makeRoom(network: string): boolean {
    const ownCount = this.#held.get(network)?.length ?? 0;
    const [most, holds] = this.#mostHeld();
    const newest = holds.at(-1);
    // Without the `+ 1`, two networks whose numbers of streams differ by 1 could replace each other's streams repeatedly.
    if (newest === undefined || holds.length <= ownCount + 1) return false;
    this.release(most, newest);
    newest();
    return true;
  }

  #mostHeld(): readonly [string, readonly Evict[]] {
    let most: readonly [string, readonly Evict[]] = ["", []];
    for (const held of this.#held) if (held[1].length > most[1].length) most = held;
    return most;
  }
}
