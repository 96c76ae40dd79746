/** A peer whose network is known. */
export interface Networked {
  readonly network: string;
}

/** Ends a stream whose unit of the quota was given to another network. */
export type Evict = () => void;

/**
 * A quota for the streams of unauthenticated clients, shared fairly among networks. Each stream holds one unit. If all units
 * are held, a new stream gets a unit as follows:
 *
 * - The network that holds the most units loses its newest unit to the new stream.
 * - Exception: the new stream is refused, unless that network holds at least two units more than the network of the new stream.
 *
 * So a network with many streams cannot keep out a network with few streams.
 */
export class FairQuota {
  readonly #max: number;
  /** Maps a network to the units that it holds, oldest first. Each unit is stored as its `evict` function. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Takes one unit of the quota for `network`. Returns false if no unit is available for this network. If the unit is later
   * given to another network, `evict` is called once.
   */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const holds = this.#held.get(network);
    if (holds === undefined) this.#held.set(network, [evict]);
    else holds.push(evict);
    this.#count++;
    return true;
  }

  /** Gives back the unit that was taken with `evict`. Does nothing if the unit was already given to another network. */
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
    // Without the `+ 1`, two networks whose numbers of units differ by 1 could take a unit from each other repeatedly.
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
