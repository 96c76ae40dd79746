import type { Clock } from "../core/clock.ts";
import type { ClientAudience, ClientEvent, Metrics, Revocation, Signer } from "../core/ports.ts";
import { type Reason, refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import { Broadcaster } from "./broadcaster.ts";
import { SignedEvent } from "./event.ts";
import { type AdmittedTimes, GatewayEvents } from "./gateway-events.ts";
import { History, type HistoryLimits, type Missed } from "./history.ts";
import { LiveStreams, type StreamLimits } from "./live-streams.ts";
import type { OutboxLimits } from "./outbox.ts";
import { Positions } from "./positions.ts";
import type { Sink } from "./sink.ts";
import { describeStreams, type StreamPage, type StreamQuery, sampleStreams } from "./stream-report.ts";
import { type Subscriber, Subscription, type SubscriptionOwner } from "./subscription.ts";
import type { TimelineKey } from "./timeline.ts";

/** What an operator can set. */
export interface HubLimits {
  readonly streams: StreamLimits;
  readonly outbox: OutboxLimits;
  readonly history: HistoryLimits;
  /** Told to clients, so that they know when silence means that the connection is dead. */
  readonly heartbeatIntervalMs: number;
  /** Streams end between nine and eleven tenths of this, so that those that began together do not end together. */
  readonly streamAgeMs: number;
}

export interface HubOptions extends HubLimits {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly revocations: Pick<RevocationLog, "mark" | "revokedSince">;
  /** A fresh event id (UUIDv7), for events that come without one. */
  readonly newEventId: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Does some work later, when others have had their turn. */
  readonly defer: (work: () => void) => void;
  readonly admission?: AdmittedTimes | undefined;
}

/** A subscription that passed every check of the pipeline. */
export interface Admission extends Subscriber {
  readonly requestId: string;
  /** As of which moment of the revocation log the session is known to be active. */
  readonly mark: number;
  /** The id of the last event that the client has, where it wants those since. */
  readonly resumeAfter: string | undefined;
}

const AGE_JITTER = 0.1;
const MS_PER_SECOND = 1000;

/**
 * Knows the live streams, and delivers to the right ones: an event to one session or to all streams of a user, in the order in
 * which events are published. It knows no HTTP. Everything here runs to its end without waiting, so that a registration, an
 * event and a revocation never overlap.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #streams: LiveStreams;
  readonly #positions: Positions;
  readonly #history: History;
  readonly #gatewayEvents: GatewayEvents;
  readonly #broadcaster: Broadcaster;
  #lastStreamId = 0;
  /** Sessions that were looked up before this moment of the revocation log may have been revoked unheard. */
  #heardSinceMark = 0;
  #nextHeartbeatMs: number;
  #stopping = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#streams = new LiveStreams(options.streams);
    this.#positions = new Positions(options.clock, options.newEventId());
    this.#history = new History(options.history, this.#positions);
    this.#gatewayEvents = new GatewayEvents({ ...options, positions: this.#positions });
    this.#broadcaster = new Broadcaster({ streams: this.#streams, defer: options.defer });
    this.#nextHeartbeatMs = options.clock.monotonic() + options.heartbeatIntervalMs;
  }

  /** Sets the gauges of streams, outboxes and history. */
  sample(metrics: Metrics, protocols: readonly string[]): void {
    sampleStreams(this.#streams, protocols, metrics);
    metrics.gauge("sallyport_history_events", this.#history.events);
    metrics.gauge("sallyport_history_bytes", this.#history.heldBytes);
  }

  /** A page of the open streams, oldest first. */
  list(query: StreamQuery): StreamPage {
    return describeStreams(this.#streams, query, this.#options.clock);
  }

  /** The sessions that have streams. */
  liveSessions(): Iterable<string> {
    return this.#streams.bySession.keys();
  }

  isLive(deviceSessionId: string): boolean {
    return this.#streams.bySession.count(deviceSessionId) > 0;
  }

  /**
   * Check 8, for subscriptions. Opens the stream with `gateway.server_time` as its first message. Throws TOO_MANY_STREAMS;
   * SESSION_REVOKED where the session has been revoked since it was looked up; SHUTTING_DOWN once the gateway stops.
   */
  register(admission: Admission, sink: Sink): Subscription {
    if (this.#stopping) throw refuse("SHUTTING_DOWN");
    this.#refuseRevoked(admission);
    this.#streams.checkRoom(admission);
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
    this.#begin(subscription, admission);
    return subscription;
  }

  /** Delivers an event of the backend to its audience, and remembers it. Signed and encoded once, and not before a stream takes it. */
  publish(event: ClientEvent): void {
    const { clock, metrics, newEventId, signer } = this.#options;
    const takenInMs = clock.monotonic();
    const audience = audienceOf(event);
    const { eventType, eventId, payloadBytes } = event;
    const draft = { eventType, eventId: eventId || newEventId(), audience, timestampMs: clock.now(), payloadBytes };
    const signed = new SignedEvent(draft, signer);
    const position = this.#positions.next();
    const written = this.#deliver(signed, event, takenInMs);
    this.#history.remember(audience, signed, position, takenInMs);
    if (written === 0) return;
    metrics.count("sallyport_event_deliveries_total", undefined, written);
    metrics.observe("sallyport_event_delivery_seconds", (clock.monotonic() - takenInMs) / MS_PER_SECOND);
  }

  /** An event came that nobody can be given: whoever it was for fetches the state anew, now or on coming back. */
  lose(event: ClientAudience): void {
    const audience = audienceOf(event);
    this.#history.remember(audience, undefined, this.#positions.next(), this.#options.clock.monotonic());
    this.#deliver(this.#gatewayEvents.resync(audience, this.#positions.next()), event);
  }

  /** Ends one session's streams, or all of a user's; gives their number. */
  revoke({ deviceSessionId, userId }: Revocation): number {
    const { bySession, byUser } = this.#streams;
    const streams = [...(deviceSessionId ? bySession.of(deviceSessionId) : byUser.of(userId ?? ""))];
    for (const stream of streams) stream.close("SESSION_REVOKED");
    return streams.length;
  }

  /**
   * Events and revocations may have been lost: nobody resumes from before, and every client fetches its state anew. The moment is to be
   * one of the revocation log's own, after every look-up that may have missed something.
   */
  gap(): void {
    this.distrustLookUps();
    this.#history.clear();
    this.#broadcaster.send(this.#gatewayEvents.resync("all", this.#positions.next()));
  }

  /** Revocations may have been lost: who was looked up before this moment of the revocation log is not let in by that. */
  distrustLookUps(): void {
    this.#heardSinceMark = this.#options.revocations.mark();
  }

  /** What is due by now: heartbeats, streams that are old enough, events that are. To be called every second or so. */
  tick(): void {
    const nowMs = this.#options.clock.monotonic();
    this.#history.forgetOlder(nowMs);
    for (const stream of this.#streams) if (nowMs >= stream.expiresAtMs) stream.close("STREAM_EXPIRED");
    if (nowMs < this.#nextHeartbeatMs) return;
    this.#nextHeartbeatMs = nowMs + this.#options.heartbeatIntervalMs;
    if (this.#streams.size > 0) this.#broadcaster.send(this.#gatewayEvents.heartbeat(this.#positions.next()));
  }

  /** Ends every stream, and refuses new ones. */
  shutDown(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.close("SHUTTING_DOWN");
  }

  /** To the streams of the audience; gives to how many it was written at once. */
  #deliver(event: SignedEvent, { deviceSessionId, userId }: ClientAudience, takenInMs?: number): number {
    const { bySession, byUser } = this.#streams;
    let written = 0;
    for (const stream of deviceSessionId ? bySession.of(deviceSessionId) : byUser.of(userId)) {
      this.#broadcaster.catchUp(stream);
      if (stream.deliver(event, takenInMs)) written++;
    }
    return written;
  }

  #refuseRevoked({ mark, deviceSessionId, userId }: Admission): void {
    if (mark < this.#heardSinceMark) throw unknownSince("the push feed had a gap since the look-up");
    const since = this.#options.revocations.revokedSince(mark, deviceSessionId, userId);
    if (since === "revoked") throw refuse("SESSION_REVOKED");
    if (since === "unknown") throw unknownSince("the revocation log is shorter than the wait");
  }

  #streamAgeMs(): number {
    const { streamAgeMs, random } = this.#options;
    return streamAgeMs * (1 - AGE_JITTER + 2 * AGE_JITTER * random());
  }

  /** The first messages. Nothing comes between them, and what is published from now on comes after. */
  #begin(subscription: Subscription, { deviceSessionId, userId, requestId, resumeAfter }: Admission): void {
    const missed = resumeAfter === undefined ? undefined : this.#missed(resumeAfter, userId, deviceSessionId);
    const failed = resumeAfter !== undefined && missed === undefined;
    // Whoever is told to fetch anew, and is cut before it hears so, is not to resume from here.
    const position = failed ? undefined : (missed?.after ?? this.#positions.next());
    const resumed = missed !== undefined;
    subscription.deliver(this.#gatewayEvents.serverTime({ deviceSessionId, userId, requestId, resumed, position }));
    const nowMs = this.#options.clock.monotonic();
    const replayed = (missed?.events ?? []).filter((event) => subscription.deliver(event, nowMs));
    this.#options.metrics.count("sallyport_event_deliveries_total", undefined, replayed.length);
    if (failed) subscription.deliver(this.#gatewayEvents.resync(`session:${deviceSessionId}`, this.#positions.next()));
  }

  #missed(resumeAfter: string, userId: string, deviceSessionId: string): Missed | undefined {
    const missed = this.#history.since(resumeAfter, userId, deviceSessionId);
    this.#options.metrics.count("sallyport_resumes_total", { outcome: missed === undefined ? "resync" : "whole" });
    return missed;
  }

  readonly #owner: SubscriptionOwner = {
    wroteLate: (takenInMs) => {
      const { clock, metrics } = this.#options;
      metrics.count("sallyport_event_deliveries_total");
      metrics.observe("sallyport_event_delivery_seconds", (clock.monotonic() - takenInMs) / MS_PER_SECOND);
    },
    closed: (subscription: Subscription, reason: Reason | undefined, unwritten: number) => {
      const { metrics } = this.#options;
      this.#streams.remove(subscription);
      metrics.count("sallyport_streams_ended_total", { reason: reason ?? "client" });
      if (unwritten === 0) return;
      const why = reason === "SLOW_CONSUMER" ? "slow_consumer" : "stream_ended";
      metrics.count("sallyport_events_dropped_total", { reason: why }, unwritten);
    },
  };
}

/** By the session where one is given, else by the user. */
function audienceOf({ deviceSessionId, userId }: ClientAudience): TimelineKey {
  return deviceSessionId ? `session:${deviceSessionId}` : `user:${userId}`;
}

function unknownSince(cause: string) {
  return refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
}
