import { isEventId } from "../core/grammar.ts";
import { browserConnectivity } from "./connectivity.ts";
import type { EventCursor } from "./event-cursor.ts";
import { EventOpener } from "./event-opener.ts";
import { POLL_WAIT_MS, pollEvents } from "./event-poll.ts";
import { Listener } from "./listener.ts";
import { ReconnectingStream } from "./reconnecting-stream.ts";
import type { RequestSigner } from "./request-signer.ts";
import { SharedFeeds } from "./shared-feeds.ts";
import { SignedCalls, type SignedCallsParts } from "./signed-calls.ts";
import { systemTiming } from "./stream-timing.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import type { Feed, FeedSink, StreamPosition } from "./subscription-event.ts";
import { type StreamOpener, TransportChoice } from "./transport-choice.ts";

export interface StreamSettings {
  /**
   * The transports that may be used, in order of preference: a stream over `fetch`, and long polls. Default: both.
   */
  readonly transports?: readonly ("fetch" | "poll")[] | undefined;
  /**
   * Maximum time until the first event of a stream, in ms. If none arrives, the next transport is tried. Default: 8000.
   */
  readonly firstEventMs?: number | undefined;
  /**
   * Limit of the first delay before a reconnect, in ms. The delay is random below it, and the limit doubles up to 30 s until a
   * stream works. Default: 1000.
   */
  readonly reconnectMs?: number | undefined;
}

export interface SubscriptionsParts {
  readonly signer: RequestSigner;
  readonly calls: SignedCallsParts;
  readonly settings: StreamSettings;
}

const FIRST_EVENT_MS = 8000;
/** Maximum time for the answer to a poll, without the time for which the gateway waits. In ms. */
const ANSWER_MS = 15_000;

/** The subscriptions of one client. They share their streams. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #choice: TransportChoice;
  readonly #feeds = new SharedFeeds((cursor, sink) => this.#createFeed(cursor, sink));

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
    this.#choice = new TransportChoice(openersOf(parts));
  }

  /** Throws `TypeError` if `resumeAfter` is not an event id. */
  open({ resumeAfter, signal, gatewayEvents = false }: SubscribeOptions): Subscription {
    const position = positionOf(resumeAfter);
    const listener: Listener = new Listener({ position, gatewayEvents, onClose: () => this.#feeds.detach(listener) });
    if (signal?.aborted) listener.close();
    else {
      this.#feeds.attach(listener, position);
      signal?.addEventListener("abort", () => listener.close(), { once: true });
    }
    return listener;
  }

  #createFeed(cursor: EventCursor, sink: FeedSink): Feed {
    const { reconnectMs } = this.#parts.settings;
    const parts = { choice: this.#choice, timing: systemTiming, connectivity: browserConnectivity, reconnectMs };
    return new ReconnectingStream(cursor, parts, sink);
  }
}

function positionOf(resumeAfter: string | StreamPosition | undefined): StreamPosition | undefined {
  const position = typeof resumeAfter === "string" ? { eventId: resumeAfter } : resumeAfter;
  if (position !== undefined && !isEventId(position.eventId)) throw new TypeError("resumeAfter is not an event id");
  return position;
}

function openersOf({ signer, calls, settings }: SubscriptionsParts): StreamOpener[] {
  const { transports = ["fetch", "poll"], firstEventMs = FIRST_EVENT_MS } = settings;
  // Each request has a deduplicator of its own: the cursor knows which events of the subscription are new.
  const opener = (parts: SignedCallsParts) => new EventOpener(signer, new SignedCalls(parts));
  const all: Record<"fetch" | "poll", () => StreamOpener | undefined> = {
    fetch: () => ({
      transport: "fetch",
      limits: { firstEventMs },
      open: (options) => opener(calls).openStream(options),
    }),
    poll: () => ({
      transport: "poll",
      limits: { firstEventMs: ANSWER_MS, silenceMs: POLL_WAIT_MS + ANSWER_MS },
      open: (options) => pollEvents((each) => opener(calls).fetchEvents(each), options),
    }),
  };
  const openers = transports.flatMap((transport) => all[transport]() ?? []);
  if (openers.length === 0) throw new TypeError("streams.transports: none of them exists on this platform");
  return openers;
}
