/** Remembers at least the last `keysMin` keys, in two generations: a `Map` gets slower with every key that is taken off its front. */
export class Recent<V> {
  readonly #keysMin: number;
  #newer = new Map<string, V>();
  #older: ReadonlyMap<string, V> = new Map();

  constructor(keysMin: number) {
    this.#keysMin = keysMin;
  }

  get(key: string): V | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  set(key: string, value: V): void {
    if (this.#newer.size >= this.#keysMin && !this.#newer.has(key)) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }
}
