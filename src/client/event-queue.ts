import { type Deferred, deferred } from "./deferred.ts";
import type { StateHandler, Subscription } from "./subscription.ts";
import type {
  StateDetail,
  StreamPosition,
  StreamTransport,
  SubscriptionEvent,
  SubscriptionState,
} from "./subscription-event.ts";

/** Limits of one queue: the number and the total size of its events. A single event may be larger than `BYTES_MAX`. */
const EVENTS_MAX = 1000;
const BYTES_MAX = 4 * 1024 * 1024;
/** Estimated memory of an event without its payload, in bytes. */
const OVERHEAD_BYTES = 1024;

type Result = IteratorResult<SubscriptionEvent, undefined>;
type Waiter = Deferred<Result>;

/**
 * One subscription of the app: a position of its own, and a bounded queue of events that the app has not read yet.
 *
 * Gateway events, such as heartbeats, pass through the queue even if the app does not want them, because they move the position.
 */
export class EventQueue implements Subscription {
  readonly #wantsGatewayEvents: boolean;
  readonly #onClose: () => void;
  readonly #events: SubscriptionEvent[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #handlers = new Set<StateHandler>();
  #bytes = 0;
  #position: StreamPosition | undefined;
  /** The event that the app is processing. */
  #current: SubscriptionEvent | undefined;
  #state: SubscriptionState = "connecting";
  #transport: StreamTransport | undefined;
  #error: unknown;
  #whenDrained: (() => void) | undefined;

  constructor(options: { position: StreamPosition | undefined; gatewayEvents: boolean; onClose: () => void }) {
    this.#position = options.position;
    this.#wantsGatewayEvents = options.gatewayEvents;
    this.#onClose = options.onClose;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get transport(): StreamTransport | undefined {
    return this.#transport;
  }

  get lastEventId(): string | undefined {
    return this.#position?.eventId;
  }

  get position(): StreamPosition | undefined {
    return this.#position;
  }

  /** The position once the app has processed all queued events. */
  get queuedUpTo(): StreamPosition | undefined {
    return this.#events.at(-1) ?? this.#current ?? this.#position;
  }

  onState(handler: StateHandler): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    this.#processed(this.#current);
    this.#current = this.#take();
    if (this.#current !== undefined) return Promise.resolve({ done: false, value: this.#current });
    if (this.#state === "ended") return this.#last();
    const waiter: Waiter = deferred<Result>();
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  /** Called when the app leaves its `for await` loop. The current event does not count as processed. */
  return(): Promise<Result> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  close(): void {
    if (this.#state === "ended") return;
    this.#clear();
    this.setState("ended", {});
    this.#onClose();
  }

  /** Queues an event. Returns false if there is no room. */
  offer(event: SubscriptionEvent): boolean {
    const isWanted = this.#isWanted(event);
    const waiter = isWanted ? this.#waiters.shift() : undefined;
    if (waiter !== undefined) {
      this.#current = event;
      waiter.resolve({ done: false, value: event });
    } else if (!isWanted && this.#waiters.length > 0) this.#processed(event);
    else return this.#push(event, isWanted);
    return true;
  }

  /** Call this if `offer` has returned false. `whenDrained` is called once, when the queue is at most half full. */
  lag(whenDrained: () => void): void {
    this.#whenDrained = whenDrained;
    this.setState("waiting", { transport: this.#transport });
  }

  /** Sets the first position of the subscription. Does nothing if the queue has a position or an event. */
  startAt(position: StreamPosition | undefined): void {
    if (this.#current === undefined && this.#events.length === 0) this.#position ??= position;
  }

  setState(state: SubscriptionState, detail: StateDetail): void {
    if (this.#state === "ended") return;
    this.#state = state;
    this.#transport = detail.transport ?? this.#transport;
    if (state === "ended") this.#error = detail.error;
    if (state === "ended") for (const waiter of this.#waiters.splice(0)) waiter.resolve(this.#last());
    for (const handler of this.#handlers) callSafely(() => handler(state, detail));
  }

  #last(): Promise<Result> {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  #isWanted({ kind }: SubscriptionEvent): boolean {
    return kind !== "gateway" || this.#wantsGatewayEvents;
  }

  /** Takes the next event that the app wants. */
  #take(): SubscriptionEvent | undefined {
    let event = this.#events.shift();
    for (; event !== undefined && !this.#isWanted(event); event = this.#events.shift()) this.#processed(event);
    this.#bytes = this.#events.length === 0 ? 0 : this.#bytes - (event === undefined ? 0 : bytesOf(event));
    if (this.#whenDrained !== undefined && this.#events.length <= EVENTS_MAX / 2 && this.#bytes <= BYTES_MAX / 2) {
      const drained = this.#whenDrained;
      this.#whenDrained = undefined;
      drained();
    }
    return event;
  }

  #push(event: SubscriptionEvent, isWanted: boolean): boolean {
    const last = this.#events.at(-1);
    // A gateway event that the app does not want is kept only for its position. Of such events in a row, only the last is kept.
    if (!isWanted && last !== undefined && !this.#isWanted(last)) this.#events.pop();
    else if (this.#events.length >= EVENTS_MAX || (this.#bytes > 0 && this.#bytes + bytesOf(event) > BYTES_MAX)) return false;
    else if (isWanted) this.#bytes += bytesOf(event);
    this.#events.push(event);
    return true;
  }

  #processed(event: SubscriptionEvent | undefined): void {
    if (event !== undefined) this.#position = { eventId: event.eventId, timestampMs: event.timestampMs };
  }

  #clear(): void {
    this.#events.length = 0;
    this.#bytes = 0;
    this.#whenDrained = undefined;
  }
}

function bytesOf({ payloadBytes }: SubscriptionEvent): number {
  // The payload counts twice, because it is held as bytes and as JSON.
  return 2 * payloadBytes.byteLength + OVERHEAD_BYTES;
}

/** Calls a handler of the app. Reports an error of the handler as uncaught, so that the error does not disturb the stream. */
function callSafely(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}
