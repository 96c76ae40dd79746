import type { Subscription } from "./subscription.ts";

const NONE: ReadonlySet<Subscription> = new Set();

/** Live streams by a key: the session's or the user's id. A key without streams takes no memory. */
export class StreamIndex {
  readonly #byKey = new Map<string, Set<Subscription>>();

  of(key: string): ReadonlySet<Subscription> {
    return this.#byKey.get(key) ?? NONE;
  }

  all(): Subscription[] {
    return [...this.#byKey.values()].flatMap((streams) => [...streams]);
  }

  add(key: string, subscription: Subscription): void {
    const streams = this.#byKey.get(key);
    if (streams === undefined) this.#byKey.set(key, new Set([subscription]));
    else streams.add(subscription);
  }

  delete(key: string, subscription: Subscription): void {
    const streams = this.#byKey.get(key);
    if (!streams?.delete(subscription)) return;
    if (streams.size === 0) this.#byKey.delete(key);
  }
}
