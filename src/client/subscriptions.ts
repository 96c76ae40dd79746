import { isEventId } from "../core/grammar.ts";
import { browserConnectivity } from "./connectivity.ts";
import { EventOpener } from "./event-opener.ts";
import { POLL_WAIT_MS, pollEvents } from "./event-poll.ts";
import type { EventProgress } from "./event-progress.ts";
import { EventQueue } from "./event-queue.ts";
import { ReconnectingStream } from "./reconnecting-stream.ts";
import type { RequestSigner } from "./request-signer.ts";
import { SharedStreams } from "./shared-streams.ts";
import { SignedCalls, type SignedCallsParts } from "./signed-calls.ts";
import { systemTiming } from "./stream-timing.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import type { Receiver, Source, StreamPosition } from "./subscription-event.ts";
import { TAB_MESSAGE_VERSION } from "./tab-message.ts";
import { TabStream } from "./tab-stream.ts";
import { type StreamOpener, TransportChoice } from "./transport-choice.ts";
import { xhrTransport } from "./xhr-transport.ts";

export interface StreamSettings {
  /**
   * The transports that may be used, in order of preference: a stream over `fetch`, a stream over XMLHttpRequest, and long
   * polls. Default: all three, as far as the platform has them.
   */
  readonly transports?: readonly ("fetch" | "xhr" | "poll")[] | undefined;
  /**
   * Maximum time until the first event of a stream, in ms. If none arrives, the next transport is tried. Default: 8000.
   */
  readonly firstEventMs?: number | undefined;
  /**
   * Upper limit of the first delay before a reconnect, in ms. Each delay is random below the limit. The limit doubles with each
   * delay, up to 30 s. The limit is reset when a stream works. Default: 1000.
   */
  readonly reconnectMs?: number | undefined;
  /** Shares one stream between the tabs of a browser that have the same session. Default: true. */
  readonly tabs?: boolean | undefined;
}

export interface SubscriptionsParts {
  readonly signer: RequestSigner;
  readonly calls: SignedCallsParts;
  readonly deviceSessionId: string;
  /** `undefined` if the app has its own transport. XMLHttpRequest is then not used. */
  readonly baseUrl: string | undefined;
  /** False if the transport of `calls` is known to have no streams. */
  readonly mayHaveStreams: boolean;
  readonly settings: StreamSettings;
}

const FIRST_EVENT_MS = 8000;
/** Maximum time for the answer to a poll, in ms, in addition to the time that the gateway waits for events (`POLL_WAIT_MS`). */
const ANSWER_MS = 15_000;

/** The subscriptions of one client. They share their streams. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #choice: TransportChoice;
  readonly #streams = new SharedStreams((progress, receiver, isMain) => this.#createSource(progress, receiver, isMain));

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
    this.#choice = new TransportChoice(openersOf(parts));
  }

  /** Throws `TypeError` if `resumeAfter` is not an event id. */
  open({ resumeAfter, signal, gatewayEvents = false }: SubscribeOptions): Subscription {
    const position = positionOf(resumeAfter);
    const queue: EventQueue = new EventQueue({ position, gatewayEvents, onClose: () => this.#streams.detach(queue) });
    if (signal?.aborted) queue.close();
    else {
      this.#streams.attach(queue, position);
      signal?.addEventListener("abort", () => queue.close(), { once: true });
    }
    return queue;
  }

  #createSource(progress: EventProgress, receiver: Receiver, isMain: boolean): Source {
    const { reconnectMs, tabs: sharesTabs = true } = this.#parts.settings;
    const parts = { choice: this.#choice, timing: systemTiming, connectivity: browserConnectivity, reconnectMs };
    const openStream = (own: EventProgress, ownReceiver: Receiver) => new ReconnectingStream(own, parts, ownReceiver);
    const tabs = isMain && sharesTabs ? tabsOf(this.#parts.deviceSessionId) : undefined;
    return tabs === undefined
      ? openStream(progress, receiver)
      : new TabStream(progress, receiver, { ...tabs, timing: systemTiming, connectivity: browserConnectivity, openStream });
  }
}

function positionOf(resumeAfter: string | StreamPosition | undefined): StreamPosition | undefined {
  const position = typeof resumeAfter === "string" ? { eventId: resumeAfter } : resumeAfter;
  if (position !== undefined && !isEventId(position.eventId)) throw new TypeError("resumeAfter is not an event id");
  return position;
}

/**
 * Returns the browser features with which tabs share a stream. Returns `undefined` outside of a browser page, or if the browser
 * lacks Web Locks or BroadcastChannel.
 */
function tabsOf(deviceSessionId: string) {
  const locks: LockManager | undefined = globalThis.navigator?.locks;
  const hasPage = typeof document !== "undefined" && typeof BroadcastChannel === "function";
  if (locks === undefined || !hasPage) return undefined;
  const name = `sallyport.v${TAB_MESSAGE_VERSION}.${deviceSessionId}`;
  return { name, locks, createChannel: (channel: string) => new BroadcastChannel(channel) };
}

function openersOf({ signer, calls, baseUrl, mayHaveStreams, settings }: SubscriptionsParts): StreamOpener[] {
  const { transports = ["fetch", "xhr", "poll"], firstEventMs = FIRST_EVENT_MS } = settings;
  // Each request gets a new `SignedCalls`, which drops duplicates only within its answer. `EventProgress` drops all other
  // duplicates.
  const opener = (parts: SignedCallsParts) => new EventOpener(signer, new SignedCalls(parts));
  const all: Record<"fetch" | "xhr" | "poll", () => StreamOpener | undefined> = {
    fetch: () => {
      if (!mayHaveStreams) return undefined;
      return { transport: "fetch", limits: { firstEventMs }, open: (options) => opener(calls).openStream(options) };
    },
    xhr: () => {
      if (baseUrl === undefined || typeof XMLHttpRequest === "undefined") return undefined;
      const parts = { ...calls, transport: xhrTransport({ baseUrl }) };
      return { transport: "xhr", limits: { firstEventMs }, open: (options) => opener(parts).openStream(options) };
    },
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
