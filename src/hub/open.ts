import type { Clock } from "../core/clock.ts";
import type { Log, Metrics, PushFeedSink, Revocation, SessionDirectory, Signer } from "../core/ports.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { AdmittedTimes } from "./gateway-events.ts";
import { Hub } from "./hub.ts";
import { SessionRecheck, type SessionRecheckOptions } from "./session-recheck.ts";

/** The part of the configuration that the hub is made by. */
export interface HubConfig {
  readonly "streams.per_session_max": number;
  readonly "streams.per_user_max": number;
  readonly "streams.per_network_max": number;
  readonly "streams.total_max": number;
  readonly "streams.outbox_bytes_max": number;
  readonly "streams.outbox_messages_max": number;
  readonly "streams.heartbeat_ms": number;
  readonly "streams.age_ms": number;
  readonly "streams.recheck_lookups_max": number;
  readonly "history.events_max": number;
  readonly "history.bytes_max": number;
  readonly "history.total_bytes_max": number;
  readonly "history.age_ms": number;
}

export interface HubParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly revocations: RevocationLog;
  readonly sessions: CachedDirectory;
  readonly admission: AdmittedTimes;
  readonly newEventId: () => string;
  readonly random: () => number;
  readonly sleep: SessionRecheckOptions["sleep"];
}

/** A session directory that is told what the push feed brings. */
interface CachedDirectory extends SessionDirectory {
  revoke(revocation: Revocation): void;
  clear(): void;
}

/** The hub at work, and what leads to it. */
export interface Push {
  readonly hub: Hub;
  /** Where the push feed delivers. */
  readonly sink: PushFeedSink;
  /** Ends a session's or a user's streams, and what is cached of them; gives the number of streams. */
  revoke(revocation: Revocation): number;
  stop(): void;
}

/** How fine heartbeats and ages are. */
const TICK_MS = 1000;
const RECHECK_RETRY_MS = 1000;

/** Opens the hub, with its clock running. */
export function openHub(config: HubConfig, parts: HubParts): Push {
  const { revocations, sessions, log } = parts;
  const hub = new Hub({ ...parts, ...limitsOf(config), defer: setImmediate });
  const recheck = new SessionRecheck({
    streams: hub,
    sessions,
    lookUpsMax: config["streams.recheck_lookups_max"],
    retryMs: RECHECK_RETRY_MS,
    sleep: parts.sleep,
    log,
  });
  // The log first: whoever is between a look-up and what follows it asks there.
  const revoke = (revocation: Revocation) => {
    revocations.append(revocation);
    sessions.revoke(revocation);
    return hub.revoke(revocation);
  };
  const lookUpAnew = () => {
    // A revocation of nobody: so that what was looked up until now can be told from what is looked up from now on.
    revocations.append({});
    sessions.clear();
    hub.distrustLookUps();
    recheck.start();
  };
  const gap = () => {
    lookUpAnew();
    hub.gap();
  };
  const ticking = setInterval(() => hub.tick(), TICK_MS);
  return {
    hub,
    sink: {
      event: (event) => hub.publish(event),
      lost(audience, what) {
        // Not of these alone: a look-up under way does not know its user yet.
        if (what === "revocation") lookUpAnew();
        hub.lose(audience);
      },
      revoke: (revocation) => void revoke(revocation),
      gap,
    },
    revoke,
    stop() {
      clearInterval(ticking);
      recheck.stop();
    },
  };
}

function limitsOf(config: HubConfig) {
  return {
    streams: {
      perSessionMax: config["streams.per_session_max"],
      perUserMax: config["streams.per_user_max"],
      perNetworkMax: config["streams.per_network_max"],
      totalMax: config["streams.total_max"],
    },
    outbox: { bytesMax: config["streams.outbox_bytes_max"], messagesMax: config["streams.outbox_messages_max"] },
    history: {
      eventsMax: config["history.events_max"],
      bytesMax: config["history.bytes_max"],
      totalBytesMax: config["history.total_bytes_max"],
      ageMs: config["history.age_ms"],
    },
    heartbeatIntervalMs: config["streams.heartbeat_ms"],
    streamAgeMs: config["streams.age_ms"],
  };
}
