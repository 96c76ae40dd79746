import { EventProgress } from "./event-progress.ts";
import type { EventQueue } from "./event-queue.ts";
import { StreamCatchUp } from "./stream-catch-up.ts";
import type {
  Receiver,
  Source,
  StateDetail,
  StreamPosition,
  SubscriptionEvent,
  SubscriptionState,
} from "./subscription-event.ts";

/** Creates a source of events. If `isMain` is true, the source may share its events with other tabs. */
export type CreateSource = (progress: EventProgress, receiver: Receiver, isMain: boolean) => Source;

/** One source and the queues that it fills. All these queues have received the events up to the same position. */
class StreamGroup {
  readonly progress: EventProgress;
  readonly catchUp: StreamCatchUp;
  readonly members = new Set<EventQueue>();
  source: Source | undefined;
  /** The last event that all `members` have received. While a resync is delivered, `progress` is already at the next event. */
  delivered: StreamPosition | undefined;
  state: SubscriptionState = "connecting";
  detail: StateDetail = {};

  constructor(start: StreamPosition | undefined) {
    this.progress = new EventProgress(start);
    this.catchUp = new StreamCatchUp(start === undefined);
    this.delivered = start;
  }

  join(queue: EventQueue): void {
    this.members.add(queue);
    queue.startAt(this.delivered);
    queue.setState(this.state, this.detail);
  }

  isAt(eventId: string | undefined): boolean {
    return eventId !== undefined && this.delivered?.eventId === eventId;
  }
}

/**
 * Shares streams between the subscriptions of one client.
 *
 * Usually all subscriptions share one stream. A subscription has its own stream while it is behind the others. It is behind if
 * it starts at an earlier position, or if the app is too slow. It also has its own stream if it starts with the next event while
 * the other streams still deliver events that were missed. When two streams reach the same event, their subscriptions share
 * the older stream.
 */
export class SharedStreams {
  readonly #createSource: CreateSource;
  /** The groups in order of creation, because `#merge` keeps the oldest one. */
  readonly #groups = new Set<StreamGroup>();

  constructor(createSource: CreateSource) {
    this.#createSource = createSource;
  }

  /** Delivers the events after `start` to the queue. If `start` is missing, delivers the events from now on. */
  attach(queue: EventQueue, start: StreamPosition | undefined): void {
    const isFit = (group: StreamGroup) => (start === undefined ? group.catchUp.isDone : group.isAt(start.eventId));
    const group = [...this.#groups].find(isFit);
    if (group !== undefined) group.join(queue);
    else this.#open(queue, start);
  }

  detach(queue: EventQueue): void {
    for (const group of this.#groups) this.#leave(group, queue);
  }

  #open(queue: EventQueue, start: StreamPosition | undefined): void {
    const group = new StreamGroup(start);
    const isMain = this.#groups.size === 0;
    this.#groups.add(group);
    group.join(queue);
    const receiver = {
      event: (event: SubscriptionEvent) => this.#deliver(group, event),
      state: (state: SubscriptionState, detail: StateDetail) => this.#setState(group, state, detail),
    };
    group.source = this.#createSource(group.progress, receiver, isMain);
    group.source.start();
  }

  #leave(group: StreamGroup, queue: EventQueue): void {
    if (group.members.delete(queue) && group.members.size === 0) this.#close(group);
  }

  #close(group: StreamGroup): void {
    this.#groups.delete(group);
    group.source?.close();
  }

  #deliver(group: StreamGroup, event: SubscriptionEvent): void {
    for (const queue of group.members) {
      if (queue.offer(event)) continue;
      this.#leave(group, queue);
      queue.lag(() => this.attach(queue, queue.queuedUpTo));
    }
    group.delivered = { eventId: event.eventId, timestampMs: event.timestampMs };
    group.catchUp.saw(event);
    this.#merge(group);
  }

  /** If several groups are at the same event, moves all their queues into the oldest group. */
  #merge(group: StreamGroup): void {
    const twins = [...this.#groups].filter((other) => other.isAt(group.delivered?.eventId));
    const [oldest, ...others] = twins;
    if (oldest === undefined) return;
    for (const other of others) {
      for (const queue of other.members) oldest.join(queue);
      other.members.clear();
      this.#close(other);
    }
  }

  #setState(group: StreamGroup, state: SubscriptionState, detail: StateDetail): void {
    group.state = state;
    group.detail = detail;
    if (state !== "live" && group.progress.position !== undefined) group.catchUp.restart();
    if (state === "ended") this.#groups.delete(group);
    for (const queue of group.members) queue.setState(state, detail);
  }
}
