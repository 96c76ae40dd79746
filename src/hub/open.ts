import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { Signer } from "../core/keys.ts";
import type { Revocations } from "../core/revocations.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import type { AdmittedTimestamps } from "./gateway-events.ts";
import { Hub, type HubLimits } from "./hub.ts";
import { SessionRecheck, type SessionRecheckOptions } from "./session-recheck.ts";

export interface HubSettings extends HubLimits {
  /** Maximum number of concurrent look-ups when the sessions of all open streams are checked again. */
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
  readonly newEventId: () => string;
  readonly random: () => number;
  readonly sleep: SessionRecheckOptions["sleep"];
}

/** A hub whose timers are running. */
export interface RunningHub {
  readonly hub: Hub;
  /** Receives events and revocations from the push feed. */
  readonly sink: PushFeedSink;
  stop(): void;
}

/** The resolution of heartbeats, stream ages and event ages. */
const TICK_MS = 1000;
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
      event: (event) => hub.publish(event),
      lost(audience, what) {
        // All look-ups are invalid, also of other audiences: a look-up in flight does not know its user yet.
        if (what === "revocation") revocations.lost();
        hub.resyncAudience(audience);
      },
      revoke: (revocation) => void revocations.revoke(revocation),
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
