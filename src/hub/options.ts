import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/keys.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { Metrics } from "../core/telemetry.ts";
import type { EventIds } from "../crypto/event-ids.ts";
import type { AdmittedTimestamps } from "./gateway-events.ts";
import type { HistoryLimits } from "./history.ts";
import type { StreamLimits } from "./live-streams.ts";
import type { OutboxLimits } from "./outbox.ts";

export interface HubLimits {
  readonly streams: StreamLimits;
  readonly outbox: OutboxLimits;
  readonly history: HistoryLimits;
  /**
   * Time between heartbeats. The event `gateway.server_time` contains it. Clients treat a missing heartbeat as a dead
   * connection.
   */
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
  /** Creates and reads event ids that name a position of the push feed. */
  readonly eventIds: EventIds;
  readonly fillRandom: (bytes: Uint8Array) => void;
  /** Creates a unique event id (UUIDv7), for events that have no id from the backend and no position of the push feed. */
  readonly newEventId: () => string;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Runs `work` in a later turn of the event loop. */
  readonly defer: (work: () => void) => void;
  readonly admittedTimestamps?: AdmittedTimestamps | undefined;
}

const AGE_JITTER = 0.1;

/** Returns the age at which a new stream expires, in ms. */
export function randomStreamAge({ streamAgeMs, random }: Pick<HubOptions, "streamAgeMs" | "random">): number {
  return streamAgeMs * (1 - AGE_JITTER + 2 * AGE_JITTER * random());
}
