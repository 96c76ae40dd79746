import { EventCursor } from "./event-cursor.ts";
import type { Listener } from "./listener.ts";
import type {
  Feed,
  FeedSink,
  StateDetail,
  StreamPosition,
  SubscriptionEvent,
  SubscriptionState,
} from "./subscription-event.ts";

/** `isMain`: the feed may share its events with other tabs. */
export type CreateFeed = (cursor: EventCursor, sink: FeedSink, isMain: boolean) => Feed;

/** One feed and its listeners. They all have received the events up to the feed's position. */
class FeedGroup {
  readonly cursor: EventCursor;
  readonly members = new Set<Listener>();
  feed: Feed | undefined;
  /** The last event that was delivered to the members. The cursor can be ahead: it accepts a resync and an event together. */
  delivered: StreamPosition | undefined;
  state: SubscriptionState = "connecting";
  detail: StateDetail = {};

  constructor(start: StreamPosition | undefined) {
    this.cursor = new EventCursor(start);
    this.delivered = start;
  }

  join(listener: Listener): void {
    this.members.add(listener);
    listener.startAt(this.delivered);
    listener.setState(this.state, this.detail);
  }

  isAt(eventId: string | undefined): boolean {
    return eventId !== undefined && this.delivered?.eventId === eventId;
  }
}

/**
 * Shares streams between the listeners of one client.
 *
 * Usually all listeners share one stream. A listener gets a stream of its own while it is at an earlier position: it starts there,
 * or it was too slow. As soon as two streams are at the same event, their listeners share one of them.
 */
export class SharedFeeds {
  readonly #createFeed: CreateFeed;
  /** In order of creation. */
  readonly #groups = new Set<FeedGroup>();

  constructor(createFeed: CreateFeed) {
    this.#createFeed = createFeed;
  }

  /** Delivers the events after `start` to the listener; without `start`, the next events. */
  attach(listener: Listener, start: StreamPosition | undefined): void {
    const isFit = (group: FeedGroup) => start === undefined || group.isAt(start.eventId);
    const group = [...this.#groups].find(isFit);
    if (group !== undefined) group.join(listener);
    else this.#open(listener, start);
  }

  detach(listener: Listener): void {
    for (const group of this.#groups) this.#leave(group, listener);
  }

  #open(listener: Listener, start: StreamPosition | undefined): void {
    const group = new FeedGroup(start);
    const isMain = this.#groups.size === 0;
    this.#groups.add(group);
    group.join(listener);
    const sink = {
      event: (event: SubscriptionEvent) => this.#deliver(group, event),
      state: (state: SubscriptionState, detail: StateDetail) => this.#setState(group, state, detail),
    };
    group.feed = this.#createFeed(group.cursor, sink, isMain);
    group.feed.start();
  }

  #leave(group: FeedGroup, listener: Listener): void {
    if (group.members.delete(listener) && group.members.size === 0) this.#close(group);
  }

  #close(group: FeedGroup): void {
    this.#groups.delete(group);
    group.feed?.close();
  }

  #deliver(group: FeedGroup, event: SubscriptionEvent): void {
    for (const listener of group.members) {
      if (listener.offer(event)) continue;
      this.#leave(group, listener);
      listener.lag(() => this.attach(listener, listener.queuedUpTo));
    }
    group.delivered = { eventId: event.eventId, timestampMs: event.timestampMs };
    this.#merge(group);
  }

  /** Moves the listeners of two groups at the same event into the older group. */
  #merge(group: FeedGroup): void {
    const twins = [...this.#groups].filter((other) => other.isAt(group.delivered?.eventId));
    const [oldest, ...others] = twins;
    if (oldest === undefined) return;
    for (const other of others) {
      for (const listener of other.members) oldest.join(listener);
      other.members.clear();
      this.#close(other);
    }
  }

  #setState(group: FeedGroup, state: SubscriptionState, detail: StateDetail): void {
    group.state = state;
    group.detail = detail;
    if (state === "ended") this.#groups.delete(group);
    for (const listener of group.members) listener.setState(state, detail);
  }
}
