import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { Signer } from "../core/keys.ts";
import type { Revocations } from "../core/revocations.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import type { EventIds } from "../crypto/event-ids.ts";
import type { AdmittedTimestamps } from "./gateway-events.ts";
import { Hub } from "./hub.ts";
import type { HubLimits } from "./options.ts";
import { SessionRecheck, type SessionRecheckOptions } from "./session-recheck.ts";

export interface HubSettings extends HubLimits {
  /**
   * After a gap in the push feed, the sessions of all open streams are looked up again. This is the maximum number of
   * concurrent look-ups.
   */
  readonly recheckLookUpsMax: number;
}

export interface HubParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly revocations: Revocations;
  readonly sessions: SessionDirectory;
  readonly admittedTimestamps: AdmittedTimestamps;
  readonly eventIds: EventIds;
  readonly fillRandom: (bytes: Uint8Array) => void;
  readonly newEventId: () => string;
  readonly random: () => number;
  readonly sleep: SessionRecheckOptions["sleep"];
}

/** The hub and its running timers. */
export interface RunningHub {
  readonly hub: Hub;
  /** Receives events and revocations from the push feed. */
  readonly sink: PushFeedSink;
  stop(): void;
}

/** Interval of `Hub.tick`. Heartbeats and expirations can be late by up to this time. */
const TICK_MS = 1000;
/** Delay before failed session look-ups are repeated after a gap in the push feed. */
const RECHECK_RETRY_MS = 1000;

/** Creates the hub, registers it for revocations, and starts its timers. */
export function openHub(settings: HubSettings, parts: HubParts): RunningHub {
  const { revocations, sessions, log } = parts;
  const hub = new Hub({ ...parts, ...settings, defer: setImmediate });
  const recheck = new SessionRecheck({
    streams: hub,
    sessions,
    lookUpsMax: settings.recheckLookUpsMax,
    retryMs: RECHECK_RETRY_MS,
    sleep: parts.sleep,
    log,
  });
  revocations.join({
    revoke: (revocation) => hub.revoke(revocation),
    lost() {
      hub.invalidateLookUps();
      recheck.start();
    },
  });
  const ticking = setInterval(() => hub.tick(), TICK_MS);
  return {
    hub,
    sink: {
      event: (event, cursor) => hub.publish(event, cursor),
      lost(audience, what, cursor) {
        // While a look-up is in flight, its user is not known. So a lost revocation invalidates all look-ups, not only those of
        // its audience.
        if (what === "revocation") revocations.lost();
        hub.resyncAudience(audience, cursor);
      },
      revoke(revocation, cursor) {
        revocations.revoke(revocation);
        if (cursor !== undefined) hub.reached(cursor);
      },
      reached: (cursor) => hub.reached(cursor),
      gap() {
        revocations.lost();
        hub.gap();
      },
    },
    stop() {
      clearInterval(ticking);
      recheck.stop();
    },
  };
}
