import type { Held } from "../core/live-set.ts";
import type { Subscription } from "./subscription.ts";

type HeldStream = Held<Subscription>;

/** Finds open streams by session id or by user id. To save memory, a key with only one stream has no `Set`. */
export class StreamIndex {
  readonly #byKey = new Map<string, HeldStream | Set<HeldStream>>();

  *of(key: string): Generator<Subscription, void, undefined> {
    const streams = this.#byKey.get(key);
    if (streams === undefined) return;
    for (const { item } of streams instanceof Set ? streams : [streams]) if (item !== undefined) yield item;
  }

  count(key: string): number {
    const streams = this.#byKey.get(key);
    if (streams === undefined) return 0;
    return streams instanceof Set ? streams.size : 1;
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  add(key: string, stream: HeldStream): void {
    const streams = this.#byKey.get(key);
    if (streams === undefined) this.#byKey.set(key, stream);
    else if (streams instanceof Set) streams.add(stream);
    else this.#byKey.set(key, new Set([streams, stream]));
  }

  delete(key: string, stream: HeldStream): void {
    const streams = this.#byKey.get(key);
    if (streams instanceof Set) {
      streams.delete(stream);
      if (streams.size === 0) this.#byKey.delete(key);
    } else if (streams === stream) this.#byKey.delete(key);
  }
}
