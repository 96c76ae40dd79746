import type { ClientAudience, ClientEvent } from "../core/events.ts";
import type { Reason } from "../core/reasons.ts";
import { type Refusal, refuse } from "../core/refusal.ts";
import { retryDelayMs } from "../core/retry-delay.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Metrics } from "../core/telemetry.ts";
import { type Admission, checkNotRevoked } from "./admission.ts";
import { Broadcaster } from "./broadcaster.ts";
import { SignedEvent } from "./event.ts";
import type { EventCollector, Poll } from "./event-collector.ts";
import { GatewayEvents } from "./gateway-events.ts";
import { History } from "./history.ts";
import { LiveStreams } from "./live-streams.ts";
import { type HubLimits, type HubOptions, randomStreamAge } from "./options.ts";
import { replayBufferKey } from "./replay-buffer.ts";
import type { Sink } from "./sink.ts";
import { countDeliveries, countEnd } from "./stream-counts.ts";
import { StreamPositions } from "./stream-positions.ts";
import { describeStreams, type StreamPage, type StreamQuery, sampleStreams } from "./stream-report.ts";
import { StreamStarts } from "./stream-start.ts";
import { Subscription, type SubscriptionOwner } from "./subscription.ts";

/**
 * Owns all open streams. Delivers each event to the streams of its audience, in the order of publication.
 *
 * Every method is synchronous, so a registration, an event and a revocation never interleave. The hub does not depend on HTTP.
 */
export class Hub {
  #options: HubOptions;
  readonly #streams: LiveStreams;
  readonly #positions: StreamPositions;
  readonly #history: History;
  readonly #gatewayEvents: GatewayEvents;
  readonly #starts: StreamStarts;
  readonly #broadcaster: Broadcaster;
  #lastStreamId = 0;
  /**
   * The lowest valid `Admission.mark`, a position in the revocation log. A session look-up with a lower mark is invalid, because
   * the gateway may have missed a revocation after it.
   */
  #lookUpsValidFromMark = 0;
  #nextHeartbeatMs: number;
  /** Which new calls are refused with SHUTTING_DOWN. `all` means streams and polls. */
  #refuses: "nothing" | "streams" | "all" = "nothing";
  /** Number of streams when the shutdown started. */
  #streamsAtShutdown = 0;
  /** True while the replay buffers are filled after a start. Events are then stored, and not delivered to open streams. */
  #isFilling = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#streams = new LiveStreams(options.streams);
    this.#positions = new StreamPositions({ ids: options.eventIds, fillRandom: options.fillRandom });
    this.#history = new History(options.history, this.#positions);
    this.#gatewayEvents = new GatewayEvents({ ...options, positions: this.#positions });
    const parts = { history: this.#history, positions: this.#positions, gatewayEvents: this.#gatewayEvents };
    this.#starts = new StreamStarts({ ...options, ...parts });
    this.#broadcaster = new Broadcaster({ streams: this.#streams, defer: options.defer });
    this.#nextHeartbeatMs = options.clock.monotonic() + options.heartbeatIntervalMs;
  }

  /** Replaces the limits. Open streams stay open, and keep their outbox limits and their maximum age. */
  adopt({ streams, outbox, history, streamAgeMs }: Omit<HubLimits, "heartbeatIntervalMs">): void {
    this.#options = { ...this.#options, outbox, streamAgeMs };
    this.#streams.adopt(streams);
    this.#history.adopt(history);
  }

  /** Sets the gauges of streams, outboxes and replay buffers. Reports every protocol of `protocols`, even if no stream uses it. */
  sample(metrics: Metrics, protocols: readonly string[]): void {
    sampleStreams(this.#streams, protocols, metrics);
    metrics.gauge("sallyport_history_events", this.#history.events);
    metrics.gauge("sallyport_history_bytes", this.#history.heldBytes);
  }

  /** Returns one page of the open streams, oldest first. */
  list(query: StreamQuery): StreamPage {
    return describeStreams(this.#streams, query, this.#options.clock);
  }

  /** Returns the ids of all sessions with open streams. */
  liveSessions(): Iterable<string> {
    return this.#streams.bySession.keys();
  }

  isLive(deviceSessionId: string): boolean {
    return this.#streams.bySession.count(deviceSessionId) > 0;
  }

  /**
   * Check 8 of the pipeline, for subscriptions. Opens the stream and writes `gateway.server_time` as its first event. Throws:
   * - TOO_MANY_STREAMS if a stream limit is reached.
   * - SESSION_REVOKED if the session was revoked after its look-up.
   * - SESSION_LOOKUP_UNAVAILABLE if a revocation may have been lost after the session was looked up.
   * - SHUTTING_DOWN after `refuseStreams`.
   */
  register(admission: Admission, sink: Sink): Subscription {
    const subscription = this.#open(admission, sink);
    const start = this.#starts.find(admission);
    subscription.deliver(this.#starts.serverTime(admission, start));
    this.#starts.deliver(subscription, start);
    return subscription;
  }

  /**
   * Check 8 of the pipeline, for polls. Collects the missed events immediately, and later events until `answer` is called.
   * Throws the same refusals as `register`.
   */
  poll(admission: Admission, collector: EventCollector): Poll {
    const subscription = this.#open(admission, collector);
    const start = this.#starts.find(admission);
    this.#starts.deliver(subscription, start);
    if (this.#refuses === "streams") collector.release();
    return { admission, collector, subscription, resumed: start.resumed, position: start.position };
  }

  /**
   * Ends a poll. Returns its frames: `gateway.server_time`, then the collected events. Throws as `EventCollector.take` does.
   *
   * `gateway.server_time` is created when the poll ends, so that its time is current. If no event was collected, the event id
   * of `gateway.server_time` names the current position. The client can resume from this position, even if replay buffers have
   * evicted events during the poll.
   */
  answer({ admission, collector, subscription, resumed, position }: Poll): readonly Uint8Array[] {
    // Delivers a broadcast that has not reached the poll yet. A client that resumes from the current position would miss it.
    this.#broadcaster.catchUp(subscription);
    const frames = collector.take();
    // During the fill, events are not delivered. A client that resumes from the current position would miss them.
    const mustKeep = frames.length > 0 || this.#isFilling;
    const from = mustKeep ? position : this.#positions.latest;
    return [this.#starts.serverTime(admission, { resumed, position: from }).frame(collector), ...frames];
  }

  /** Whether the replay buffers have all events after `admission.resumeAfter`. True if the client does not resume a stream. */
  canResume(admission: Admission): boolean {
    return this.#starts.isKnown(admission);
  }

  /** Creates the refusal SHUTTING_DOWN. Its retry delay depends on the number of streams at the start of the shutdown. */
  shuttingDown(): Refusal {
    return this.#refusal("SHUTTING_DOWN");
  }

  /**
   * Delivers a backend event to the open streams of its audience. Stores it for streams that resume. `cursor` is the event's
   * cursor in the push feed, if it has one.
   */
  publish(event: ClientEvent, cursor?: string): void {
    const { clock, newEventId, signer } = this.#options;
    const receivedAtMs = clock.monotonic();
    const audience = replayBufferKey(event);
    const position = this.#positions.next(cursor);
    const { eventType, payloadBytes } = event;
    const eventId = event.eventId || this.#positions.eventIdOf(position) || newEventId();
    const signed = new SignedEvent({ eventType, eventId, audience, timestampMs: clock.now(), payloadBytes }, signer);
    const written = this.#deliver(signed, event, receivedAtMs);
    this.#history.add(audience, signed, position, receivedAtMs);
    if (written > 0) countDeliveries(this.#options, written, receivedAtMs);
  }

  /**
   * Call this if an event for this audience is lost. Every open stream of the audience gets `gateway.resync`. A stream that
   * resumes from an earlier position gets `gateway.resync` at its start.
   */
  resyncAudience(event: ClientAudience, cursor?: string): void {
    const audience = replayBufferKey(event);
    const position = this.#positions.next(cursor);
    this.#history.add(audience, undefined, position, this.#options.clock.monotonic());
    this.#deliver(this.#gatewayEvents.resync(audience, position), event);
  }

  /** Starts the fill of the replay buffers. Until `endFill`, events are stored for streams that resume, but not delivered. */
  beginFill(): void {
    this.#isFilling = true;
  }

  /** Ends the fill of the replay buffers. Streams that were opened during the fill get `gateway.resync`. */
  endFill(): void {
    if (!this.#isFilling) return;
    this.#isFilling = false;
    if (this.#streams.size > 0)
      this.#broadcaster.send(this.#gatewayEvents.resync("all", this.#positions.latest), { polls: true });
  }

  /** Notes the cursor of a message that clients do not get, such as a keepalive. A new cursor becomes the latest position. */
  reached(cursor: string): void {
    this.#positions.reach(cursor);
  }

  /**
   * Ends the streams of one session, or of all sessions of a user if no session is given. Returns the number of ended streams.
   */
  revoke({ deviceSessionId, userId }: Revocation): number {
    const { bySession, byUser } = this.#streams;
    const streams = [...(deviceSessionId ? bySession.of(deviceSessionId) : byUser.of(userId ?? ""))];
    for (const stream of streams) stream.close("SESSION_REVOKED");
    return streams.length;
  }

  /**
   * Handles a gap in the push feed: events and revocations may have been lost.
   * - Every open stream gets `gateway.resync`.
   * - No stream can resume from a position before the gap.
   * - Session look-ups that started before the gap become invalid.
   *
   * Before this call, append an entry to the revocation log. Otherwise, look-ups from before and after the gap can have the
   * same position. The look-up from before the gap would then count as valid.
   */
  gap(): void {
    this.#isFilling = false;
    this.invalidateLookUps();
    const position = this.#positions.next();
    this.#history.clear(position);
    this.#broadcaster.send(this.#gatewayEvents.resync("all", position), { polls: true });
  }

  /** Refuses subscriptions whose session was looked up before this call, because a revocation may have been lost. */
  invalidateLookUps(): void {
    this.#lookUpsValidFromMark = this.#options.revocations.mark();
  }

  /** Sends due heartbeats, ends expired streams, and evicts expired events. Call this method about once a second. */
  tick(): void {
    const nowMs = this.#options.clock.monotonic();
    this.#history.evictExpired(nowMs);
    for (const stream of this.#streams) if (nowMs >= stream.expiresAtMs) stream.close("STREAM_EXPIRED");
    if (nowMs < this.#nextHeartbeatMs) return;
    this.#nextHeartbeatMs = nowMs + this.#options.heartbeatIntervalMs;
    if (this.#streams.size === 0) return;
    // Polls get no heartbeat, because it would end all their waits at the same time.
    this.#broadcaster.send(this.#gatewayEvents.heartbeat(this.#positions.latest), { polls: false });
  }

  /** Call this when a shutdown begins. Returns the number of open streams, on which the retry delays of SHUTTING_DOWN depend. */
  beginEnd(): number {
    this.#streamsAtShutdown = this.#streams.size;
    return this.#streams.size;
  }

  /** Refuses new streams with SHUTTING_DOWN. New polls are answered immediately if `answersPolls`, and refused otherwise. */
  refuseStreams(answersPolls = false): void {
    this.#refuses = answersPolls ? "streams" : "all";
  }

  /**
   * Ends the `count` oldest streams; all streams by default. A stream ends with SHUTTING_DOWN. A poll is answered immediately, or
   * ends with SHUTTING_DOWN if new polls are refused.
   */
  endStreams(count = this.#streams.size): void {
    for (const stream of [...this.#streams].slice(0, count))
      if (this.#refuses === "all" || !stream.release()) stream.close("SHUTTING_DOWN");
  }

  /**
   * Delivers an event to the open streams of its audience. Returns the number of streams to which it was written immediately.
   */
  #deliver(event: SignedEvent, { deviceSessionId, userId }: ClientAudience, receivedAtMs?: number): number {
    const { bySession, byUser } = this.#streams;
    let written = 0;
    if (this.#isFilling) return written;
    for (const stream of deviceSessionId ? bySession.of(deviceSessionId) : byUser.of(userId)) {
      this.#broadcaster.catchUp(stream);
      if (stream.deliver(event, receivedAtMs)) written++;
    }
    return written;
  }

  #open(admission: Admission, sink: Sink): Subscription {
    if (this.#refuses === "all" || (this.#refuses === "streams" && !sink.isPoll)) throw this.shuttingDown();
    checkNotRevoked(admission, this.#lookUpsValidFromMark, this.#options.revocations);
    const scope = this.#streams.exceededLimit(admission);
    if (scope !== undefined) throw this.#refusal("TOO_MANY_STREAMS", { scope });
    const openedAtMs = this.#options.clock.monotonic();
    const subscription = new Subscription({
      id: ++this.#lastStreamId,
      ...{ subscriber: admission, sink, openedAtMs, owner: this.#owner },
      expiresAtMs: sink.isPoll ? Number.POSITIVE_INFINITY : openedAtMs + randomStreamAge(this.#options),
      limits: this.#options.outbox,
    });
    this.#broadcaster.skip(subscription);
    this.#streams.add(subscription);
    subscription.watchSink();
    return subscription;
  }

  #refusal(reason: Reason, metadata?: Readonly<Record<string, string>>): Refusal {
    const retryAfterMs = retryDelayMs(reason, this.#streamsAtShutdown, this.#options.random);
    return refuse(reason, { ...(metadata && { metadata }), ...(retryAfterMs !== undefined && { retryAfterMs }) });
  }

  readonly #owner: SubscriptionOwner = {
    refusal: (reason) => this.#refusal(reason),
    deliveredLate: (receivedAtMs) => countDeliveries(this.#options, 1, receivedAtMs),
    closed: (subscription: Subscription, reason: Reason | undefined, undelivered: number) => {
      this.#streams.remove(subscription);
      countEnd(this.#options.metrics, { isPoll: subscription.isPoll, reason, undelivered });
    },
  };
}
