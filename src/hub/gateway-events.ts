import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/keys.ts";
import { type Audience, SignedEvent } from "./event.ts";
import type { Position, StreamPositions } from "./stream-positions.ts";

/** The recipient and the contents of a `gateway.server_time` event. */
export interface ServerTimeDetails {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly resumed: boolean;
  /** The stream position up to which the client has received all events; `undefined` if the client must resync. */
  readonly position: Position | undefined;
}

/**
 * Bounds of the request timestamps that the gateway accepts. Clients learn them from the signed event `gateway.server_time`,
 * because clients do not trust times in unsigned refusals.
 */
export interface AdmittedTimestamps {
  /** The freshness window: how far a request's timestamp may differ from the gateway's clock. */
  readonly windowMs: number;
  /**
   * Requests that were signed before this time (Unix ms) are refused, because their reservations may be lost. `-Infinity` if
   * the replay store keeps its reservations across restarts.
   */
  readonly sinceMs: number;
}

export interface GatewayEventsParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly positions: StreamPositions;
  readonly newEventId: () => string;
  readonly heartbeatIntervalMs: number;
  readonly admittedTimestamps?: AdmittedTimestamps | undefined;
}

const EMPTY = new Uint8Array(0);
const utf8 = new TextEncoder();

/** Creates the events that the gateway itself sends, such as heartbeats (proto/README.md, "SubscribeEvents"). */
export class GatewayEvents {
  readonly #parts: GatewayEventsParts;

  constructor(parts: GatewayEventsParts) {
    this.#parts = parts;
  }

  /** Creates `gateway.server_time`, the first event of every stream. */
  serverTime({ deviceSessionId, userId, requestId, resumed, position }: ServerTimeDetails): SignedEvent {
    const { admittedTimestamps } = this.#parts;
    const payload = {
      server_time_ms: this.#parts.clock.now(),
      request_id: requestId,
      user_id: userId,
      heartbeat_interval_ms: this.#parts.heartbeatIntervalMs,
      resumed,
      freshness_window_ms: admittedTimestamps?.windowMs,
      admits_since_ms: Number.isFinite(admittedTimestamps?.sinceMs) ? admittedTimestamps?.sinceMs : undefined,
    };
    return this.#create("server_time", `session:${deviceSessionId}`, position, utf8.encode(JSON.stringify(payload)));
  }

  heartbeat(position: Position): SignedEvent {
    return this.#create("heartbeat", "all", position, EMPTY);
  }

  /** Creates `gateway.resync`. It tells the client to fetch its state again, because events may be lost. */
  resync(audience: Audience, position: Position): SignedEvent {
    return this.#create("resync", audience, position, EMPTY);
  }

  /**
   * Creates an event. A client that received it can resume a stream from `position`. If `position` is `undefined`, the event id
   * is random, and no stream can resume from this event.
   */
  #create(name: string, audience: Audience, position: Position | undefined, payloadBytes: Uint8Array): SignedEvent {
    const { signer, clock, positions, newEventId } = this.#parts;
    const eventId = position === undefined ? newEventId() : positions.eventIdAt(position);
    return new SignedEvent({ eventType: `gateway.${name}`, eventId, audience, timestampMs: clock.now(), payloadBytes }, signer);
  }
}
