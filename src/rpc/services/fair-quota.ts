/** Who asks, as far as places go: clients of one network share what it may hold. */
export interface Networked {
  readonly network: string;
}

/** Ends what holds a place, because another network's newcomer gets it. */
export type Evict = () => void;

/**
 * A bounded number of places for whoever asks, without proof of who it is. While there is room, anybody gets one. When there is none, the
 * network that holds most loses its newest place; a newcomer whose own network would then hold as many is refused instead. So no crowd
 * from one network ends, or keeps out, what a network with fewer places holds.
 */
export class FairQuota {
  readonly #max: number;
  /** By network, each network's places in the order of their coming. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether there is a place for one more of this network. `evict` is called at most once, and then the place is already free. */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const places = this.#held.get(network);
    if (places === undefined) this.#held.set(network, [evict]);
    else places.push(evict);
    this.#count++;
    return true;
  }

  /** Gives a place back; does nothing where it is free already. */
  release(network: string, evict: Evict): void {
    const places = this.#held.get(network) ?? [];
    const at = places.lastIndexOf(evict);
    if (at === -1) return;
    places.splice(at, 1);
    if (places.length === 0) this.#held.delete(network);
    this.#count--;
  }

  #makeRoom(network: string): boolean {
    const own = this.#held.get(network)?.length ?? 0;
    const [most, places] = this.#mostHeld();
    const newest = places.at(-1);
    // Between two that hold about the same, each newcomer would cost the other a place, to and fro.
    if (newest === undefined || places.length <= own + 1) return false;
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
