import type { GatewayConfig } from "../config/rules.ts";
import { type Clock, sleep } from "../core/clock.ts";
import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import type { Revocations } from "../core/revocations.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";
import { EventIds } from "../crypto/event-ids.ts";
import type { KeyRing } from "../crypto/key-ring.ts";
import type { Admission } from "../hub/admission.ts";
import type { Hub } from "../hub/hub.ts";
import { LocalStreams } from "../hub/local-streams.ts";
import { openHub } from "../hub/open.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import type { Listener } from "../transport/listener.ts";
import { untilKnown } from "./catch-up.ts";
import { checkpointFile, feedNotReady, openFeed } from "./feed.ts";
import { HistoryFill } from "./history-fill.ts";
import { hubSettings } from "./options.ts";
import type { Readiness } from "./readiness.ts";

interface EventPathParts {
  readonly keys: KeyRing;
  readonly sessions: SessionDirectory;
  /** A Unix time in ms. Reservations of requests that were signed before this time may be lost. */
  readonly replayCoverageStartMs: number;
  readonly revocations: Revocations;
  readonly readiness: Readiness;
  readonly checkpoints: FeedCheckpointStore | undefined;
  /** The checkpoint of the push feed that the predecessor has handed over. It replaces the stored checkpoint. */
  readonly inherited?: FeedCheckpoint | undefined;
  /** Returns true while the predecessor runs. Its clients may have events that this process has not received yet. */
  readonly mayBeBehind?: (() => boolean) | undefined;
  /** Called when the push feed comes up or goes down. */
  readonly onFeedChange?: (isUp: boolean) => void;
  /** Returns the bearer token that the gateway currently sends to the backend; `undefined` if it sends none. */
  readonly backendToken: () => string | undefined;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

/** The parts through which each event passes: push feed, hub, streams. */
export interface EventPath {
  readonly hub: Hub;
  readonly streams: LocalStreams;
  /** The private listener; `undefined` if the push source has none. */
  readonly privateListener: Listener | undefined;
  /** Returns the checkpoint of the push feed; `undefined` if no cursor has arrived since the last gap. */
  checkpoint(): FeedCheckpoint | undefined;
  start(): void;
  stop(): Promise<void>;
}

const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);

/** Creates the hub and the push source. Events arrive after `start`. Throws `ConfigError` and `ListenError`. */
export function openEventPath(config: GatewayConfig, parts: EventPathParts): EventPath {
  const { keys, sessions, replayCoverageStartMs, revocations, readiness, log, metrics, clock } = parts;
  const { hub, sink, ...running } = openHub(hubSettings(config), {
    ...{ signer: keys, clock, metrics, log, revocations, sessions, sleep },
    admittedTimestamps: { windowMs: config["freshness.window_ms"], sinceMs: replayCoverageStartMs },
    eventIds: new EventIds(() => keys.eventIdKeys, fillRandom),
    fillRandom,
    newEventId: () => Bun.randomUUIDv7(),
    random: Math.random,
  });
  const checkpoints = parts.checkpoints ?? checkpointFile(config, { clock, log });
  const isGoalPending = config["push.source"] !== "feed";
  const fill = new HistoryFill({
    ...{ hub, revocations, checkpoints, isGoalPending, clock },
    inherited: parts.inherited,
    ageMs: config["history.age_ms"],
  });
  const onStateChange = (isUp: boolean) => {
    parts.onFeedChange?.(isUp);
    readiness.changed();
  };
  const { source, listener, close } = openFeed(config, {
    ...{ sink, fill, revocations, log, metrics, clock, onStateChange, backendToken: parts.backendToken },
  });
  readiness.add(() => (fill.isFilling ? ["the event history is being filled"] : []));
  readiness.add(() => feedNotReady(source, revocations.areArriving()));
  const historyFilled = async (admission: Admission) => {
    await fill.wait();
    if (parts.mayBeBehind?.()) await untilKnown(hub, admission);
  };
  return {
    hub,
    streams: new LocalStreams({ hub, historyFilled, clock, defer: setImmediate }),
    privateListener: listener,
    checkpoint: () => fill.checkpoint(),
    start: () => source.start(),
    async stop() {
      await listener?.close();
      await source.stop();
      await close?.();
      fill.stop();
      running.stop();
    },
  };
}
