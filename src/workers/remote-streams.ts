import type { Clock } from "../core/clock.ts";
import { type Refusal, refuse } from "../core/refusal.ts";
import { retryDelayMs } from "../core/retry-delay.ts";
import type { Admission } from "../hub/admission.ts";
import type { EventStreams, PollAnswer, PollRequest } from "../hub/event-streams.ts";
import type { OutboxLimits } from "../hub/outbox.ts";
import type { Sink } from "../hub/sink.ts";
import { Subscription, type SubscriptionOwner } from "../hub/subscription.ts";
import { type FromWorker, fromSentRefusal, type ToWorker } from "./messages.ts";

export interface RemoteStreamsParts {
  readonly send: (message: FromWorker) => void;
  readonly outbox: OutboxLimits;
  readonly clock: Pick<Clock, "monotonic">;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Called when a stream has ended. `events`: the number of backend events that waited for the client and were dropped. */
  readonly onDropped: (why: "slow_consumer" | "stream_ended", events: number) => void;
}

interface OpenStream {
  readonly subscription: Subscription;
  readonly sink: Sink;
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (refusal: Refusal) => void;
}

/**
 * The streams and polls of this worker. The hub is in the supervisor. The hub decides whether a stream or poll is admitted,
 * sends its events, and can end it.
 */
export class RemoteStreams implements EventStreams {
  readonly #parts: RemoteStreamsParts;
  /** The limits of the outbox of a new stream. */
  #outbox: OutboxLimits;
  readonly #streams = new Map<number, OpenStream>();
  readonly #opening = new Map<number, Waiting<void>>();
  readonly #polls = new Map<number, Waiting<PollAnswer>>();
  #lastId = 0;
  /** Number of streams of the whole gateway when the shutdown began. */
  #streamsAtShutdown = 0;

  constructor(parts: RemoteStreamsParts) {
    this.#parts = parts;
    this.#outbox = parts.outbox;
  }

  /** Uses other limits for streams that open from now on. */
  adopt(outbox: OutboxLimits): void {
    this.#outbox = outbox;
  }

  get count(): number {
    return this.#streams.size;
  }

  register(admission: Admission, sink: Sink): Promise<void> {
    const id = ++this.#lastId;
    const openedAtMs = this.#parts.clock.monotonic();
    const limits = this.#outbox;
    const expiresAtMs = Number.POSITIVE_INFINITY;
    const subscription = new Subscription({
      id,
      subscriber: admission,
      sink,
      openedAtMs,
      expiresAtMs,
      limits,
      owner: this.#owner,
    });
    return new Promise((resolve, reject) => {
      this.#opening.set(id, { resolve, reject });
      const { codec, isBase64, protocol } = sink;
      this.#parts.send({ type: "register", id, admission, codec, isBase64, protocol });
      // Adds the stream now, because its first frames may arrive before the message `opened`.
      this.#streams.set(id, { subscription, sink });
      subscription.watchSink();
    });
  }

  poll(admission: Admission, request: PollRequest, signal: AbortSignal): Promise<PollAnswer> {
    const id = ++this.#lastId;
    const onAbort = () => this.#parts.send({ type: "cancel", id });
    signal.addEventListener("abort", onAbort);
    return new Promise<PollAnswer>((resolve, reject) => {
      this.#polls.set(id, { resolve, reject });
      this.#parts.send({ type: "poll", id, admission, request });
      if (signal.aborted) onAbort();
    }).finally(() => signal.removeEventListener("abort", onAbort));
  }

  /**
   * Call this when the gateway stops. `streams` is the number of open streams of the whole gateway. The retry delays of the clients
   * grow with this number.
   */
  noteShutdown(streams: number): void {
    this.#streamsAtShutdown = streams;
  }

  shuttingDown(): Refusal {
    return this.#refusal("SHUTTING_DOWN");
  }

  /** Lists the streams that have unread bytes: the id of each stream, and the number of its unread bytes. */
  unread(): (readonly [id: number, bytes: number])[] {
    const unread: [id: number, bytes: number][] = [];
    for (const [id, { subscription }] of this.#streams) {
      const bytes = subscription.unreadBytes;
      if (bytes > 0) unread.push([id, bytes]);
    }
    return unread;
  }

  /** Handles a message about a stream or a poll. Returns `false` for any other message. */
  receive(message: ToWorker): boolean {
    switch (message.type) {
      case "frames":
        for (const [frame, streams] of message.batch) this.#deliver(frame, streams);
        return true;
      case "opened":
        take(this.#opening, message.id)?.resolve();
        return true;
      case "refused":
        this.#streams.delete(message.id);
        (take(this.#opening, message.id) ?? take(this.#polls, message.id))?.reject(fromSentRefusal(message.refusal));
        return true;
      case "end":
        this.#end(message.id, fromSentRefusal(message.refusal));
        return true;
      case "polled":
        take(this.#polls, message.id)?.resolve(message);
        return true;
      default:
        return false;
    }
  }

  #deliver(frame: Uint8Array, streams: readonly number[]): void {
    const event = { frame: () => frame };
    const nowMs = this.#parts.clock.monotonic();
    for (const id of streams) this.#streams.get(id)?.subscription.deliver(event, nowMs);
  }

  #end(id: number, refusal: Refusal): void {
    // The hub can end a stream before it answers the stream's registration. The registration then counts as successful.
    take(this.#opening, id)?.resolve();
    const stream = take(this.#streams, id);
    stream?.sink.end(refusal);
  }

  #refusal(reason: "SHUTTING_DOWN" | "SLOW_CONSUMER"): Refusal {
    const retryAfterMs = retryDelayMs(reason, this.#streamsAtShutdown, this.#parts.random);
    return refuse(reason, retryAfterMs === undefined ? {} : { retryAfterMs });
  }

  readonly #owner: SubscriptionOwner = {
    refusal: (reason) => (reason === "SLOW_CONSUMER" ? this.#refusal(reason) : refuse(reason)),
    deliveredLate: () => {},
    closed: ({ id }, reason, undelivered) => {
      if (undelivered > 0) this.#parts.onDropped(reason === "SLOW_CONSUMER" ? "slow_consumer" : "stream_ended", undelivered);
      if (this.#streams.delete(id)) this.#parts.send({ type: "closed", id, reason });
    },
  };
}

function take<T>(map: Map<number, T>, id: number): T | undefined {
  const value = map.get(id);
  map.delete(id);
  return value;
}
