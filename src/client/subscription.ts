import type {
  StateDetail,
  StreamPosition,
  StreamTransport,
  SubscriptionEvent,
  SubscriptionState,
} from "./subscription-event.ts";

export interface SubscribeOptions {
  /**
   * Where to start: the `eventId` of the last event that the app has processed, or a `position` that the app stored. The
   * gateway then sends the later events that it still has, or `resync`. Default: with the next event.
   */
  readonly resumeAfter?: string | StreamPosition | undefined;
  /** Closes the subscription when the signal aborts. The iteration then ends without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Also delivers `gateway.server_time` and `gateway.heartbeat`, with `kind: "gateway"`. Default: false. */
  readonly gatewayEvents?: boolean | undefined;
}

/**
 * The events for this session, for its user, and for all clients. Each event is delivered once and in order. If events may be
 * lost, a `resync` is delivered.
 *
 * A subscription reconnects until it is closed. Iterate it with `for await`. Leaving the loop closes it. The iteration throws
 * only if the gateway refuses for good, such as with `SESSION_REVOKED`.
 */
export interface Subscription extends AsyncIterableIterator<SubscriptionEvent, undefined, undefined> {
  readonly state: SubscriptionState;
  /** How events arrive now. `undefined` before the first attempt to connect. */
  readonly transport: StreamTransport | undefined;
  /**
   * The id of the last event that the app has processed. An event counts as processed when the app asks for the next one. Store
   * the id, and pass it as `resumeAfter` after a restart: the event that was being processed is then delivered again.
   */
  readonly lastEventId: string | undefined;
  /** `lastEventId`, together with the time of this event. */
  readonly position: StreamPosition | undefined;
  /** Calls `handler` at each change of the state. Returns a function that removes the handler. */
  onState(handler: StateHandler): () => void;
  /** Ends the iteration. Drops the queued events. Closes the stream if no other subscription uses it. */
  close(): void;
}

export type StateHandler = (state: SubscriptionState, detail: StateDetail) => void;
