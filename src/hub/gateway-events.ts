import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/ports.ts";
import { type Audience, SignedEvent } from "./event.ts";
import type { Positions } from "./positions.ts";

/** For whom a `gateway.server_time` is, and what it says. */
export interface Opening {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly resumed: boolean;
  /** As in `make`. */
  readonly position: number | undefined;
}

/** Which timestamps the gateway admits; told to clients, whom only a signed word of it helps. */
export interface AdmittedTimes {
  readonly windowMs: number;
  /** Unix ms: nothing that was signed before. Where reservations outlive the gateway, there is no such bound. */
  readonly sinceMs: number;
}

export interface GatewayEventsParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly positions: Positions;
  readonly newEventId: () => string;
  readonly heartbeatIntervalMs: number;
  readonly admission?: AdmittedTimes | undefined;
}

const EMPTY = new Uint8Array(0);
const utf8 = new TextEncoder();

/** The events that the gateway itself sends. proto/README.md, "SubscribeEvents". */
export class GatewayEvents {
  readonly #parts: GatewayEventsParts;

  constructor(parts: GatewayEventsParts) {
    this.#parts = parts;
  }

  /** The first event of every stream. */
  serverTime({ deviceSessionId, userId, requestId, resumed, position }: Opening): SignedEvent {
    const { admission } = this.#parts;
    const payload = {
      server_time_ms: this.#parts.clock.now(),
      request_id: requestId,
      user_id: userId,
      heartbeat_interval_ms: this.#parts.heartbeatIntervalMs,
      resumed,
      freshness_window_ms: admission?.windowMs,
      admits_since_ms: Number.isFinite(admission?.sinceMs) ? admission?.sinceMs : undefined,
    };
    return this.#make("server_time", `session:${deviceSessionId}`, position, utf8.encode(JSON.stringify(payload)));
  }

  heartbeat(position: number): SignedEvent {
    return this.#make("heartbeat", "all", position, EMPTY);
  }

  /** Something may have been lost: the client must fetch its state anew. */
  resync(audience: Audience, position: number): SignedEvent {
    return this.#make("resync", audience, position, EMPTY);
  }

  /** `position`: up to where whoever has this event has everything; `undefined` where that cannot be said. */
  #make(name: string, audience: Audience, position: number | undefined, payloadBytes: Uint8Array): SignedEvent {
    const { signer, clock, positions, newEventId } = this.#parts;
    const eventId = position === undefined ? newEventId() : positions.eventIdAt(position);
    return new SignedEvent({ eventType: `gateway.${name}`, eventId, audience, timestampMs: clock.now(), payloadBytes }, signer);
  }
}
