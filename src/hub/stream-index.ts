import type { Subscription } from "./subscription.ts";

const NONE: readonly Subscription[] = [];

/** Live streams by a key: the session's or the user's id. A key without streams takes no memory, and one stream no list. */
export class StreamIndex {
  readonly #byKey = new Map<string, Subscription | Set<Subscription>>();

  of(key: string): Iterable<Subscription> {
    const streams = this.#byKey.get(key);
    if (streams === undefined) return NONE;
    return streams instanceof Set ? streams : [streams];
  }

  count(key: string): number {
    const streams = this.#byKey.get(key);
    if (streams === undefined) return 0;
    return streams instanceof Set ? streams.size : 1;
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  add(key: string, subscription: Subscription): void {
    const streams = this.#byKey.get(key);
    if (streams === undefined) this.#byKey.set(key, subscription);
    else if (streams instanceof Set) streams.add(subscription);
    else this.#byKey.set(key, new Set([streams, subscription]));
  }

  delete(key: string, subscription: Subscription): void {
    const streams = this.#byKey.get(key);
    if (streams instanceof Set) {
      streams.delete(subscription);
      if (streams.size === 0) this.#byKey.delete(key);
    } else if (streams === subscription) this.#byKey.delete(key);
  }
}
