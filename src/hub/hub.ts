import type { Clock } from "../core/clock.ts";
import type { ClientEvent, Metrics, Revocation, Signer } from "../core/ports.ts";
import { type Reason, refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import { type Audience, SignedEvent } from "./event.ts";
import type { Sink } from "./sink.ts";
import { StreamIndex } from "./stream-index.ts";
import { type Subscriber, Subscription } from "./subscription.ts";

export interface HubOptions {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly revocations: RevocationLog;
  /** A fresh event id (UUIDv7), for events that come without one. */
  readonly newEventId: () => string;
  /** Unread bytes beyond which a stream is closed with SLOW_CONSUMER. */
  readonly queueBytesMax: number;
  /** Told to clients, so that they know when silence means that the connection is dead. */
  readonly heartbeatIntervalMs: number;
}

/** A subscription that passed every check of the pipeline. */
export interface Admission extends Subscriber {
  readonly requestId: string;
  /** As of which moment of the revocation log the session is known to be active. */
  readonly mark: number;
}

const utf8 = new TextEncoder();

/**
 * Knows the live streams, and delivers to the right ones: an event to one session or to all streams of a user, in the order in
 * which events are published. It knows no HTTP. Everything here runs to its end without waiting, so that a registration, an
 * event and a revocation never overlap.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #bySession = new StreamIndex();
  readonly #byUser = new StreamIndex();
  #stopping = false;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** How many streams are open, by protocol. Counted when asked for. */
  streamsByProtocol(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { protocol } of this.#byUser.all()) counts.set(protocol, (counts.get(protocol) ?? 0) + 1);
    return counts;
  }

  /**
   * Check 8, for subscriptions. Opens the stream with `gateway.server_time` as its first message. Throws SESSION_REVOKED where the
   * session has been revoked since it was looked up, SHUTTING_DOWN once the gateway stops.
   */
  register(admission: Admission, sink: Sink): Subscription {
    if (this.#stopping) throw refuse("SHUTTING_DOWN");
    this.#refuseRevoked(admission);
    const subscription = new Subscription({
      subscriber: admission,
      sink,
      queueBytesMax: this.#options.queueBytesMax,
      onClose: (closed, reason) => this.#remove(closed, reason),
    });
    this.#bySession.add(admission.deviceSessionId, subscription);
    this.#byUser.add(admission.userId, subscription);
    subscription.watchSink();
    subscription.deliver(this.#serverTime(admission));
    return subscription;
  }

  /** Delivers an event of the backend to its audience. Signed and encoded once, and not at all where nobody listens. */
  publish(event: ClientEvent): void {
    const toSession = event.deviceSessionId !== "";
    const streams = toSession ? this.#bySession.of(event.deviceSessionId) : this.#byUser.of(event.userId);
    if (streams.size === 0) return;
    const audience: Audience = toSession ? `session:${event.deviceSessionId}` : `user:${event.userId}`;
    const eventId = event.eventId || this.#options.newEventId();
    const signed = this.#sign(event.eventType, eventId, audience, event.payloadBytes);
    this.#options.metrics.count("sallyport_event_deliveries_total", undefined, streams.size);
    for (const stream of streams) stream.deliver(signed);
  }

  /** Ends one session's streams, or all of a user's. */
  revoke(revocation: Revocation): void {
    const { deviceSessionId, userId } = revocation;
    const streams = deviceSessionId ? this.#bySession.of(deviceSessionId) : this.#byUser.of(userId ?? "");
    for (const stream of [...streams]) stream.close("SESSION_REVOKED");
  }

  /** Ends every stream, and refuses new ones. */
  shutDown(): void {
    this.#stopping = true;
    for (const stream of this.#byUser.all()) stream.close("SHUTTING_DOWN");
  }

  #refuseRevoked({ mark, deviceSessionId, userId }: Admission): void {
    const since = this.#options.revocations.revokedSince(mark, deviceSessionId, userId);
    if (since === "revoked") throw refuse("SESSION_REVOKED");
    if (since === "unknown")
      throw refuse("SESSION_LOOKUP_UNAVAILABLE", { cause: "the revocation log is shorter than the wait" });
  }

  #serverTime({ deviceSessionId, requestId, userId }: Admission): SignedEvent {
    const payload = {
      server_time_ms: this.#options.clock.now(),
      request_id: requestId,
      user_id: userId,
      heartbeat_interval_ms: this.#options.heartbeatIntervalMs,
      resumed: false,
    };
    const bytes = utf8.encode(JSON.stringify(payload));
    return this.#sign("gateway.server_time", this.#options.newEventId(), `session:${deviceSessionId}`, bytes);
  }

  #sign(eventType: string, eventId: string, audience: Audience, payloadBytes: Uint8Array): SignedEvent {
    const timestampMs = this.#options.clock.now();
    return new SignedEvent({ eventType, eventId, audience, timestampMs, payloadBytes }, this.#options.signer);
  }

  #remove(subscription: Subscription, reason: Reason | undefined): void {
    this.#bySession.delete(subscription.subscriber.deviceSessionId, subscription);
    this.#byUser.delete(subscription.subscriber.userId, subscription);
    if (reason === "SLOW_CONSUMER") this.#options.metrics.count("sallyport_events_dropped_total", { reason: "slow_consumer" });
  }
}
