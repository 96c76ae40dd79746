/**
 * The keys under which the connections of one listener are counted. The key of the total is not the key of a network, because no
 * network is named "total".
 */
export class CountKeys {
  readonly total: string;
  readonly #listener: string;

  constructor(listener: string) {
    this.#listener = listener;
    this.total = this.of("total");
  }

  of(network: string): string {
    return `${this.#listener} ${network}`;
  }
}
