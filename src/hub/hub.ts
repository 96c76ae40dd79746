import type { Clock } from "../core/clock.ts";
import type { ClientAudience, ClientEvent } from "../core/events.ts";
import type { Signer } from "../core/keys.ts";
import type { Reason } from "../core/reasons.ts";
import { refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Metrics } from "../core/telemetry.ts";
import type { EventIds } from "../crypto/event-ids.ts";
import { type Admission, checkNotRevoked } from "./admission.ts";
import { Broadcaster } from "./broadcaster.ts";
import { SignedEvent } from "./event.ts";
import { type AdmittedTimestamps, GatewayEvents } from "./gateway-events.ts";
import { History, type HistoryLimits, type MissedEvents } from "./history.ts";
import { LiveStreams, type StreamLimits } from "./live-streams.ts";
import type { OutboxLimits } from "./outbox.ts";
import type { ReplayBufferKey } from "./replay-buffer.ts";
import type { Sink } from "./sink.ts";
import { StreamPositions } from "./stream-positions.ts";
import { describeStreams, type StreamPage, type StreamQuery, sampleStreams } from "./stream-report.ts";
import { Subscription, type SubscriptionOwner } from "./subscription.ts";

/** The limits of the hub, which the operator configures. */
export interface HubLimits {
  readonly streams: StreamLimits;
  readonly outbox: OutboxLimits;
  readonly history: HistoryLimits;
  /** Time between heartbeats. Clients get it in `gateway.server_time`, and detect a dead connection by a missing heartbeat. */
  readonly heartbeatIntervalMs: number;
  /**
   * Average age at which a stream expires. The actual age is random, from 90 % to 110 % of this value (`AGE_JITTER`). So
   * streams that were opened together do not reconnect together.
   */
  readonly streamAgeMs: number;
}

export interface HubOptions extends HubLimits {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly revocations: Pick<RevocationLog, "mark" | "revokedSince">;
  /** Creates and reads the ids that name a position of the push feed. */
  readonly eventIds: EventIds;
  readonly fillRandom: (bytes: Uint8Array) => void;
  /** Creates a unique event id (UUIDv7), for events that the backend sent without an id and without a cursor. */
  readonly newEventId: () => string;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Runs `work` in a later turn of the event loop. */
  readonly defer: (work: () => void) => void;
  readonly admittedTimestamps?: AdmittedTimestamps | undefined;
}

const AGE_JITTER = 0.1;
const MS_PER_SECOND = 1000;

/**
 * Owns all open streams. Delivers each event to the streams of its audience, in the order of publication.
 *
 * Every method is synchronous, so a registration, an event and a revocation never interleave. The hub does not depend on HTTP.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #streams: LiveStreams;
  readonly #positions: StreamPositions;
  readonly #history: History;
  readonly #gatewayEvents: GatewayEvents;
  readonly #broadcaster: Broadcaster;
  #lastStreamId = 0;
  /**
   * The lowest valid position of a session look-up (`Admission.mark`) in the revocation log. A look-up with a lower position is
   * invalid: the gateway may have missed a later revocation.
   */
  #lookUpsValidFromMark = 0;
  #nextHeartbeatMs: number;
  #stopping = false;
  /** True while the history is filled after a start. Events are then stored, and not delivered to open streams. */
  #isFilling = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#streams = new LiveStreams(options.streams);
    this.#positions = new StreamPositions({ ids: options.eventIds, fillRandom: options.fillRandom });
    this.#history = new History(options.history, this.#positions);
    this.#gatewayEvents = new GatewayEvents({ ...options, positions: this.#positions });
    this.#broadcaster = new Broadcaster({ streams: this.#streams, defer: options.defer });
    this.#nextHeartbeatMs = options.clock.monotonic() + options.heartbeatIntervalMs;
  }

  /** Sets the gauges of streams, outboxes and history. Reports every protocol of `protocols`, even if no stream uses it. */
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
   * - SHUTTING_DOWN if `shutDown` was called.
   */
  register(admission: Admission, sink: Sink): Subscription {
    if (this.#stopping) throw refuse("SHUTTING_DOWN");
    checkNotRevoked(admission, this.#lookUpsValidFromMark, this.#options.revocations);
    this.#streams.checkLimits(admission);
    const openedAtMs = this.#options.clock.monotonic();
    const subscription = new Subscription({
      id: ++this.#lastStreamId,
      subscriber: admission,
      sink,
      openedAtMs,
      expiresAtMs: openedAtMs + this.#streamAgeMs(),
      limits: this.#options.outbox,
      owner: this.#owner,
    });
    this.#broadcaster.skip(subscription);
    this.#streams.add(subscription);
    subscription.watchSink();
    this.#sendFirstEvents(subscription, admission);
    return subscription;
  }

  /**
   * Delivers a backend event to the open streams of its audience. Stores it for streams that resume. `cursor` is the event's cursor in the
   * push feed, if it has one.
   */
  publish(event: ClientEvent, cursor?: string): void {
    const { clock, metrics, newEventId, signer } = this.#options;
    const receivedAtMs = clock.monotonic();
    const audience = audienceOf(event);
    const position = this.#positions.next(cursor);
    const { eventType, payloadBytes } = event;
    const eventId = event.eventId || this.#positions.eventIdOf(position) || newEventId();
    const signed = new SignedEvent({ eventType, eventId, audience, timestampMs: clock.now(), payloadBytes }, signer);
    const written = this.#deliver(signed, event, receivedAtMs);
    this.#history.add(audience, signed, position, receivedAtMs);
    if (written === 0) return;
    metrics.count("sallyport_event_deliveries_total", undefined, written);
    metrics.observe("sallyport_event_delivery_seconds", (clock.monotonic() - receivedAtMs) / MS_PER_SECOND);
  }

  /**
   * Call this if an event for this audience is lost. Every open stream of the audience gets `gateway.resync`. A stream that
   * resumes from an earlier position gets `gateway.resync` at its start.
   */
  resyncAudience(event: ClientAudience, cursor?: string): void {
    const audience = audienceOf(event);
    const position = this.#positions.next(cursor);
    this.#history.add(audience, undefined, position, this.#options.clock.monotonic());
    this.#deliver(this.#gatewayEvents.resync(audience, position), event);
  }

  /** From now on, events are older than this process: another process may have delivered them. They are stored for streams that resume. */
  beginFill(): void {
    this.#isFilling = true;
  }

  /** From now on, events are new. Streams that were opened during the fill get `gateway.resync`, because they missed its last events. */
  endFill(): void {
    if (!this.#isFilling) return;
    this.#isFilling = false;
    if (this.#streams.size > 0) this.#broadcaster.send(this.#gatewayEvents.resync("all", this.#positions.latest));
  }

  /** Call this when the push feed has reached a cursor with a message that clients do not get. Every client has received all events up to it. */
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
   * Before this call, append an entry to the revocation log. Otherwise, a look-up from before the gap can have the same
   * position as a look-up from after the gap, and counts as valid.
   */
  gap(): void {
    this.#isFilling = false;
    this.invalidateLookUps();
    const position = this.#positions.next();
    this.#history.clear(position);
    this.#broadcaster.send(this.#gatewayEvents.resync("all", position));
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
    if (this.#streams.size > 0) this.#broadcaster.send(this.#gatewayEvents.heartbeat(this.#positions.latest));
  }

  /** Ends every stream with SHUTTING_DOWN, and refuses new streams. */
  shutDown(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.close("SHUTTING_DOWN");
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

  #streamAgeMs(): number {
    const { streamAgeMs, random } = this.#options;
    return streamAgeMs * (1 - AGE_JITTER + 2 * AGE_JITTER * random());
  }

  /**
   * Delivers `gateway.server_time`, then the missed events or, if some may be lost, `gateway.resync`. Runs synchronously, so no
   * later event is delivered before these.
   */
  #sendFirstEvents(subscription: Subscription, { deviceSessionId, userId, requestId, resumeAfter }: Admission): void {
    const missed = resumeAfter === undefined ? undefined : this.#findMissed(resumeAfter, userId, deviceSessionId);
    const mustResync = resumeAfter !== undefined && missed === undefined;
    // A client that must resync gets no resume position until `gateway.resync` is delivered.
    const position = mustResync ? undefined : (missed?.after ?? this.#positions.latest);
    const resumed = missed !== undefined;
    subscription.deliver(this.#gatewayEvents.serverTime({ deviceSessionId, userId, requestId, resumed, position }));
    const nowMs = this.#options.clock.monotonic();
    const replayed = (missed?.events ?? []).filter((event) => subscription.deliver(event, nowMs));
    this.#options.metrics.count("sallyport_event_deliveries_total", undefined, replayed.length);
    if (mustResync) subscription.deliver(this.#gatewayEvents.resync(`session:${deviceSessionId}`, this.#positions.latest));
  }

  #findMissed(resumeAfter: string, userId: string, deviceSessionId: string): MissedEvents | undefined {
    const missed = this.#history.since(resumeAfter, userId, deviceSessionId);
    this.#options.metrics.count("sallyport_resumes_total", { outcome: missed === undefined ? "resync" : "whole" });
    return missed;
  }

  readonly #owner: SubscriptionOwner = {
    deliveredLate: (receivedAtMs) => {
      const { clock, metrics } = this.#options;
      metrics.count("sallyport_event_deliveries_total");
      metrics.observe("sallyport_event_delivery_seconds", (clock.monotonic() - receivedAtMs) / MS_PER_SECOND);
    },
    closed: (subscription: Subscription, reason: Reason | undefined, undelivered: number) => {
      const { metrics } = this.#options;
      this.#streams.remove(subscription);
      metrics.count("sallyport_streams_ended_total", { reason: reason ?? "client" });
      if (undelivered === 0) return;
      const why = reason === "SLOW_CONSUMER" ? "slow_consumer" : "stream_ended";
      metrics.count("sallyport_events_dropped_total", { reason: why }, undelivered);
    },
  };
}

/** Returns the audience of an event: the session if `deviceSessionId` is set, the user otherwise. */
function audienceOf({ deviceSessionId, userId }: ClientAudience): ReplayBufferKey {
  return deviceSessionId ? `session:${deviceSessionId}` : `user:${userId}`;
}
