/** A peer with the network that it belongs to. */
export interface Networked {
  readonly network: string;
}

/** Ends a stream, because its unit of the quota is given to a client of another network. */
export type Evict = () => void;

/**
 * A quota for the streams of unauthenticated clients, shared fairly among networks. Each stream holds one unit. If all units are held and a
 * new client needs a unit:
 *
 * - The network that holds the most units loses its newest unit to the new client.
 * - Exception: if the largest network does not hold at least two units more than the new client's network, the new client is refused.
 *
 * Clients of one network thus cannot take units from networks that hold fewer units, and cannot block these networks.
 */
export class FairQuota {
  readonly #max: number;
  /** Maps a network to the units that it holds. Each unit is stored as its `evict` function. The oldest unit is the first. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Takes one unit of the quota for `network`. Returns false if this network can get no unit. `evict` is called at most once, after the
   * unit is given to another network.
   */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const holds = this.#held.get(network);
    if (holds === undefined) this.#held.set(network, [evict]);
    else holds.push(evict);
    this.#count++;
    return true;
  }

  /** Returns one unit of the quota that `network` holds. Does nothing if that unit was already taken away and given to another network. */
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
    // Without the `+ 1`, two networks with nearly equal numbers of units would take the same unit from each other again and again.
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
