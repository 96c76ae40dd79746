import type { Clock } from "../core/clock.ts";
import type { Log, Metrics, PushFeedSink, SessionDirectory, Signer } from "../core/ports.ts";
import type { Revocations } from "../core/revocations.ts";
import type { AdmittedTimes } from "./gateway-events.ts";
import { Hub, type HubLimits } from "./hub.ts";
import { SessionRecheck, type SessionRecheckOptions } from "./session-recheck.ts";

export interface HubSettings extends HubLimits {
  /** Session look-ups in flight at once when the sessions of all streams are looked up again. */
  readonly recheckLookUpsMax: number;
}

export interface HubParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly revocations: Revocations;
  readonly sessions: SessionDirectory;
  readonly admission: AdmittedTimes;
  readonly newEventId: () => string;
  readonly random: () => number;
  readonly sleep: SessionRecheckOptions["sleep"];
}

/** The hub at work, and what leads to it. */
export interface Push {
  readonly hub: Hub;
  /** Where the push feed delivers. */
  readonly sink: PushFeedSink;
  stop(): void;
}

/** How fine heartbeats and ages are. */
const TICK_MS = 1000;
const RECHECK_RETRY_MS = 1000;

/** Opens the hub, with its clock running. */
export function openHub(settings: HubSettings, parts: HubParts): Push {
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
      hub.distrustLookUps();
      recheck.start();
    },
  });
  const ticking = setInterval(() => hub.tick(), TICK_MS);
  return {
    hub,
    sink: {
      event: (event) => hub.publish(event),
      lost(audience, what) {
        // Not of these alone: a look-up in flight does not know its user yet.
        if (what === "revocation") revocations.lost();
        hub.lose(audience);
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
