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
   * Maximum number of concurrent session look-ups for open streams. When revocations may have been lost, the hub looks up the
   * sessions of all open streams again.
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

export interface RunningHub {
  readonly hub: Hub;
  /** Receives events and revocations from the push feed. */
  readonly sink: PushFeedSink;
  stop(): void;
}

/** Interval of `Hub.tick`. Heartbeats and expirations can be late by up to this time. */
const TICK_MS = 1000;
/** Delay before the hub repeats failed session look-ups for open streams. */
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
        // The user of a look-up in flight is not known yet. So a lost revocation of one user invalidates the look-ups of all
        // users.
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
