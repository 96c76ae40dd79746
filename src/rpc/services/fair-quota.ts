/** A peer with the network that it belongs to. */
export interface Networked {
  readonly network: string;
}

/** Ends a stream because its place is given to a client of another network. */
export type Evict = () => void;

/**
 * A bounded number of places for unauthenticated clients, shared fairly among networks. When all places are taken and a new client needs a
 * place:
 *
 * - The network that holds the most places loses its newest place to the new client.
 * - If the network of the new client would then hold at least as many places as that network, the new client is refused instead.
 *
 * Clients of one network thus cannot take places from networks that hold fewer places, and cannot block these networks.
 */
export class FairQuota {
  readonly #max: number;
  /** Maps a network to its places. The oldest place is the first. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Takes a place. Returns false if there is none for this network. `evict` is called at most once, after the place is given to another
   * network.
   */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const holds = this.#held.get(network);
    if (holds === undefined) this.#held.set(network, [evict]);
    else holds.push(evict);
    this.#count++;
    return true;
  }

  /** Releases a place. Does nothing if the place was already given to another network. */
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
    // Without the `+ 1`, two networks with nearly equal numbers of places would take the same place from each other again and again.
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
