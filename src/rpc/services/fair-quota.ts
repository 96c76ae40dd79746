/** A peer that belongs to a network. */
export interface Networked {
  readonly network: string;
}

/** Ends the stream of a holder whose place goes to another network. */
export type Evict = () => void;

/**
 * A bounded number of places for unauthenticated clients. When all are taken, the network that holds the most loses its newest place to a
 * newcomer. If the newcomer's network would then hold as many, the newcomer is refused instead. So clients of one network cannot displace or
 * block networks that hold fewer places.
 */
export class FairQuota {
  readonly #max: number;
  /** The places of each network, the oldest first. */
  readonly #held = new Map<string, Evict[]>();
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes a place. False if refused. `evict` is called at most once, after the place was taken away. */
  take(network: string, evict: Evict): boolean {
    if (this.#count >= this.#max && !this.#makeRoom(network)) return false;
    const holds = this.#held.get(network);
    if (holds === undefined) this.#held.set(network, [evict]);
    else holds.push(evict);
    this.#count++;
    return true;
  }

  /** Releases a place. Does nothing if it was taken away. */
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
    // Without the `+ 1`, two networks that hold about the same would evict each other in turn.
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
