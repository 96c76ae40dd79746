import project from "../../package.json" with { type: "json" };
import { requireBackend } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import { loadSeeds } from "../config/seeds.ts";
import { messageOf } from "../core/cause.ts";
import { type Clock, sleep, systemClock } from "../core/clock.ts";
import type { FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import type { HttpEndpoint } from "../core/http-endpoint.ts";
import { Revocations } from "../core/revocations.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";
import { EventIds } from "../crypto/event-ids.ts";
import { KeyRing } from "../crypto/key-ring.ts";
import { LocalStreams } from "../hub/local-streams.ts";
import { openHub } from "../hub/open.ts";
import { watchClock } from "../observe/clock-watch.ts";
import { createMetrics, type GatewayMetrics } from "../observe/metrics.ts";
import { PROTOCOL_NAMES } from "../rpc/protocol.ts";
import { gatewayService } from "../service/gateway-service.ts";
import { publicEndpoints } from "../service/public/endpoints.ts";
import { openStores } from "../stores/open.ts";
import { Cors } from "../transport/bun/cors.ts";
import { shortenDnsCache } from "../transport/linux/dns-cache.ts";
import { PeerResolver } from "../transport/peer/peer-address.ts";
import { openAdminListener } from "./admin.ts";
import { openAdmission } from "./admission.ts";
import { openBackend } from "./backend.ts";
import { checkpointFile, feedNotReady, openFeed } from "./feed.ts";
import { HistoryFill } from "./history-fill.ts";
import { boundUrl, openPublicListeners } from "./listeners.ts";
import { hubSettings, publicRoutes, stopSettings, storeSettings } from "./options.ts";
import { Readiness } from "./readiness.ts";
import { configReload } from "./reload.ts";
import { createRpcServer } from "./rpc-server.ts";
import { warnOfOpenFiles } from "./secret-files.ts";
import { standardServices } from "./standard-services.ts";
import { Stop, type StopParts } from "./stop.ts";

/** A running gateway. */
export interface Gateway {
  /** URL of the edge, such as `http://127.0.0.1:8080`. */
  readonly edgeUrl: string;
  /** URL of the gRPC listener. It is the same as `edgeUrl` if `edge.grpc = same-port`. */
  readonly grpcUrl: string;
  readonly adminUrl: string;
  /**
   * Ends all event streams, waits for running calls, and then stops all parts. Resolves to `false` if calls still run after
   * `shutdown.deadline_ms`.
   */
  stop(): Promise<boolean>;
  /**
   * Calls `load` and applies the budgets of the new configuration. Returns `true` on success. If the new configuration is
   * invalid, changes nothing and returns `false`.
   */
  reload(load: () => Config): boolean;
}

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  /** Path of the configuration file. It is set only if the file contains secrets. */
  readonly secretConfigFile?: string | undefined;
  readonly metrics?: GatewayMetrics | undefined;
  readonly clock?: Clock | undefined;
  /** Keeps the position in the push feed from one start to the next. Default: the file of `history.checkpoint_file`, if it is set. */
  readonly checkpoints?: FeedCheckpointStore | undefined;
  /** Further plain HTTP endpoints of the edge, such as those of the playground. Each call is charged to the budget `public_misc`. */
  readonly endpoints?: readonly HttpEndpoint[] | undefined;
  /** Replaces `openStores`, which opens the configured stores. Only tests set it. */
  readonly openStores?: typeof openStores | undefined;
}

const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);

/**
 * Builds all parts of the gateway and starts them. If one part fails to start, stops the parts that already run and throws
 * `ConfigError`, `StoreError` or `ListenError`.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { log, clock = systemClock } = options;
  const config = requireBackend(options.config);
  const metrics = options.metrics ?? createMetrics({ version: project.version, clock });
  const stop = new Stop();
  limitDnsCache(log);
  const keys = openKeyRing(config);
  warnOfOpenFiles(config, options.secretConfigFile, log);
  const revocations = new Revocations({ clock, graceMs: config["push.grace_ms"] });
  const revokeLogged = loggedRevoke(revocations, log);
  const readiness = new Readiness();
  readiness.add(() => stop.notReady());
  await using undo = new AsyncDisposableStack();

  const backend = openBackend(config, { metrics, log, clock });
  undo.defer(() => backend.close());
  const stores = await (options.openStores ?? openStores)(storeSettings(config), {
    ...{ source: backend.sessions, revocations, clock, log, metrics },
    random: Math.random,
    onRevocation: revokeLogged("sessions revoked at another gateway"),
  });
  undo.defer(() => stores.close());
  const { hub, sink, ...push } = openHub(hubSettings(config), {
    ...{ signer: keys, clock, metrics, log, revocations, sessions: stores.sessions, sleep },
    admittedTimestamps: { windowMs: config["freshness.window_ms"], sinceMs: stores.replayCoverageStartMs },
    eventIds: new EventIds(keys.eventIdKeys, fillRandom),
    fillRandom,
    newEventId: () => Bun.randomUUIDv7(),
    random: Math.random,
  });
  undo.defer(() => push.stop());
  const checkpoints = options.checkpoints ?? checkpointFile(config, { clock, log });
  const fill = new HistoryFill({ hub, revocations, checkpoints, ageMs: config["history.age_ms"], clock });
  undo.defer(() => fill.stop());
  const feed = openFeed(config, { sink, fill, revocations, log, metrics, clock, onStateChange: () => readiness.changed() });
  undo.defer(() => feed.stop());
  readiness.add(() => (fill.isFilling ? ["the event history is being filled"] : []));
  readiness.add(() => feedNotReady(feed, revocations.areArriving()));
  readiness.add(stores.notReady);
  const standard = standardServices(config, readiness);
  undo.defer(() => standard.shutDown());
  const isStopping = () => stop.isStopping();
  const admission = openAdmission(config, { stores, clock, log, metrics });
  const { lastingCalls } = admission.pipeline;
  undo.defer(() => lastingCalls.abort());
  const pipeline = { ...admission.pipeline, backend: backend.commands, revocations, signer: keys };
  const heartbeatMs = config["streams.heartbeat_ms"];
  const streams = new LocalStreams({ hub, historyFilled: () => fill.wait(), clock, defer: setImmediate });
  const gateway = gatewayService({ pipeline, streams, heartbeatMs, isStopping });
  const methods = [...gateway, ...standard.methods];
  const rpc = createRpcServer(config, { methods, guard: admission.guard, clock, log, metrics });
  const listeners = await openPublicListeners(config, {
    rpc,
    requestBytesMax: config["limits.request_bytes_max"],
    peers: new PeerResolver(config.trusted_proxies, config.trusted_proxies_header),
    endpoints: publicEndpoints({
      routes: publicRoutes(config),
      publicAuth: { ...admission.publicCalls, backend: backend.publicAuth, isStopping },
      ...{ jwks: keys.jwks, more: options.endpoints ?? [], log, metrics, clock },
    }),
    cors: new Cors({ origins: config["cors.origins"], maxAgeSeconds: config["cors.max_age_seconds"] }),
    log,
    metrics,
    clock,
  });
  undo.defer(() => listeners.close());
  const revoke = revokeLogged("sessions revoked by operator");
  const admin = openAdminListener(config, { readiness, metrics, hub, stores, revoke, log });
  undo.defer(() => admin.close());
  undo.defer(
    metrics.beforeRender(() => {
      stores.sample(metrics);
      hub.sample(metrics, PROTOCOL_NAMES);
    }),
  );
  const clockWatch = watchClock({ clock, log, metrics });
  undo.defer(() => clockWatch.stop());
  feed.start();

  const running = undo.move();
  const { edgeUrl, grpcUrl, bound } = listeners;
  log.info("gateway started", { ...bound, admin: boundUrl(admin), key_id: keys.keyId });
  const stopParts: StopParts = {
    settings: stopSettings(config),
    ...{ hub, readiness, clock, log },
    sleep: (ms) => Bun.sleep(ms),
    async drainListeners() {
      standard.shutDown();
      await listeners.drain();
      await lastingCalls.drain();
    },
    close: () => running.disposeAsync(),
  };
  let stopped: Promise<boolean> | undefined;
  return {
    edgeUrl,
    grpcUrl,
    adminUrl: admin.url,
    stop() {
      stopped ??= stop.run(stopParts);
      return stopped;
    },
    reload: configReload(config, { adopters: [admission, backend], log, metrics }),
  };
}

/** Reduces the time for which Bun caches DNS results. If this fails, logs a warning. Bun then caches a result for 30 s. */
function limitDnsCache(log: Log): void {
  try {
    shortenDnsCache();
  } catch (error) {
    log.warn("DNS cache lifetime not reduced", { current_cache_seconds: 30, cause: messageOf(error) });
  }
}

/**
 * Returns a function that takes a log message and returns a revoke function. The revoke function applies one revocation, logs
 * the message, and returns the number of ended streams.
 */
function loggedRevoke(revocations: Revocations, log: Log) {
  return (message: string) => (revocation: Revocation) => {
    const { deviceSessionId: device_session_id, userId: user_id } = revocation;
    const streams = revocations.revoke(revocation);
    log.info(message, { device_session_id, user_id, streams });
    return streams;
  };
}

function openKeyRing(config: Config): KeyRing {
  const { current, next, previous } = loadSeeds(config);
  // The command `serve` requires a configured signing key. Without one, the commands `dev` and `demo` use a new random key at
  // each start.
  return new KeyRing({ current: current ?? crypto.getRandomValues(new Uint8Array(32)), next, previous });
}
