/**
 * A bounded map. It keeps at least the `keysMin` newest keys, and at most twice as many. It drops many old keys at once,
 * because a `Map` in JavaScriptCore (the engine of Bun and Safari) gets slower with every deletion of its oldest key.
 */
export class RecentMap<V> {
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
