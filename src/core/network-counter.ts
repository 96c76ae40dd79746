/** Counts items, such as connections or streams, per network. A network without items takes no memory. */
export class NetworkCounter {
  readonly #counts = new Map<string, number>();

  of(network: string): number {
    return this.#counts.get(network) ?? 0;
  }

  add(network: string): void {
    this.#counts.set(network, this.of(network) + 1);
  }

  remove(network: string): void {
    const left = this.of(network) - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
  }

  /** Iterates over the networks that have more than `max` items. */
  over(max: number): IteratorObject<string> {
    return this.#counts.keys().filter((network) => this.of(network) > max);
  }
}
