import { type Held, LiveSet } from "../core/live-set.ts";
import { NetworkCounter } from "../core/network-counter.ts";
import { StreamIndex } from "./stream-index.ts";
import type { Subscriber, Subscription } from "./subscription.ts";

/** Maximum numbers of open streams: per session, per user, per network, and in total. */
export interface StreamLimits {
  readonly perSessionMax: number;
  readonly perUserMax: number;
  readonly perNetworkMax: number;
  readonly totalMax: number;
}

/** Names a stream limit: per session, per user, per network (`ip`) or in total (`all`). */
export type StreamLimitScope = "session" | "user" | "ip" | "all";

/** All open streams and polls, indexed by session and by user, and counted per network. */
export class LiveStreams {
  readonly bySession = new StreamIndex();
  readonly byUser = new StreamIndex();
  #limits: StreamLimits;
  readonly #all = new LiveSet<Subscription>();
  readonly #held = new WeakMap<Subscription, Held<Subscription>>();
  readonly #perNetwork = new NetworkCounter();

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Replaces the limits. Open streams stay open, even if their number exceeds a new limit. */
  adopt(limits: StreamLimits): void {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Iterates over the streams, oldest first. Streams may be added and removed during the iteration. */
  [Symbol.iterator](): Iterator<Subscription> {
    return this.#all[Symbol.iterator]();
  }

  /** Returns the limit that a new stream of this subscriber would exceed. Returns `undefined` if it would exceed none. */
  exceededLimit({ deviceSessionId, userId, peerNetwork }: Subscriber): StreamLimitScope | undefined {
    const { perSessionMax, perUserMax, perNetworkMax, totalMax } = this.#limits;
    if (this.bySession.count(deviceSessionId) >= perSessionMax) return "session";
    if (this.byUser.count(userId) >= perUserMax) return "user";
    if (this.#perNetwork.of(peerNetwork) >= perNetworkMax) return "ip";
    return this.#all.size >= totalMax ? "all" : undefined;
  }

  add(subscription: Subscription): void {
    const { deviceSessionId, userId, peerNetwork } = subscription;
    const held = this.#all.add(subscription);
    this.#held.set(subscription, held);
    this.bySession.add(deviceSessionId, held);
    this.byUser.add(userId, held);
    this.#perNetwork.add(peerNetwork);
  }

  remove(subscription: Subscription): void {
    const { deviceSessionId, userId, peerNetwork } = subscription;
    const held = this.#held.get(subscription);
    if (held === undefined || !this.#all.remove(held)) return;
    this.bySession.delete(deviceSessionId, held);
    this.byUser.delete(userId, held);
    this.#perNetwork.remove(peerNetwork);
  }
}
