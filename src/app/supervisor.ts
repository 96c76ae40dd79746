import { rmSync } from "node:fs";
import project from "../../package.json" with { type: "json" };
import { type GatewayConfig, requireBackend } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../core/clock.ts";
import { Revocations } from "../core/revocations.ts";
import { watchClock } from "../observe/clock-watch.ts";
import { createMetrics } from "../observe/metrics.ts";
import { PROTOCOL_NAMES } from "../rpc/protocol.ts";
import { openStores } from "../stores/open.ts";
import { lockFile } from "../transport/linux/file-lock.ts";
import type { ToWorker, WorkerAddresses } from "../workers/messages.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import { startWorkerProcess, workerCommand } from "../workers/worker-process.ts";
import { openAdminListener } from "./admin.ts";
import { openBackend } from "./backend.ts";
import { openEventPath } from "./event-path.ts";
import type { Gateway, GatewayOptions } from "./gateway.ts";
import { boundUrl } from "./listeners.ts";
import { stopSettings, storeSettings } from "./options.ts";
import { publishUrl } from "./private-listener.ts";
import { Readiness } from "./readiness.ts";
import { configReload } from "./reload.ts";
import { warnOfOpenFiles } from "./secret-files.ts";
import { limitDnsCache, loggedRevoke, openKeyRing } from "./start-parts.ts";
import { Stop } from "./stop.ts";

const READINESS_INTERVAL_MS = 1000;

export interface SupervisorOptions extends GatewayOptions {
  readonly workers: number;
  /** The command line of a worker. Default: this program with the command `worker`. */
  readonly workerCommand?: readonly string[] | undefined;
}

/**
 * Starts a gateway with several worker processes. This process is the supervisor: it has the push feed, the hub with the history, the admin
 * listener and the configuration. The workers accept connections, run the pipeline and hold the streams.
 *
 * Throws as `startGateway` does, and `WorkerError` if a worker cannot start.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Gateway> {
  const { log, workers, clock = systemClock } = options;
  const config = withSharedFile(requireBackend(options.config));
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
  if (options.config["stores.shared_file"] === undefined)
    undo.defer(() => rmSync(config["stores.shared_file"], { force: true }));

  const backend = openBackend(config, { metrics, log, clock });
  undo.defer(() => backend.close());
  const stores = await openStores(storeSettings(config), {
    ...{ source: backend.sessions, revocations, clock, log, metrics },
    random: Math.random,
    onRevocation: revokeLogged("sessions revoked at another gateway"),
    lockFile,
  });
  undo.defer(() => stores.close());
  let isFeedUp = false;
  const { sessions, replayCoverageStartMs } = stores;
  const events = openEventPath(config, {
    ...{ keys, sessions, replayCoverageStartMs, revocations, readiness, log, metrics, clock },
    checkpoints: options.checkpoints,
    onFeedChange(isUp) {
      isFeedUp = isUp;
      pool.broadcast({ type: "feed", isUp });
    },
  });
  undo.defer(() => events.stop());
  let current: Config = config;
  const pool = new WorkerPool({
    count: workers,
    streams: events.streams,
    answers: stores.answers,
    startMessage: (addresses) => startMessage(current, { addresses, mark: revocations.mark(), isFeedUp }),
    startProcess: (onMessage) => startWorkerProcess(options.workerCommand ?? workerCommand(), onMessage),
    onChange: () => readiness.changed(),
    ...{ clock, log, metrics },
    random: Math.random,
  });
  undo.defer(() => pool.close());
  // Each message adds one entry to a worker's revocation log. So that log stays at the same position (`mark`) as the
  // supervisor's.
  revocations.join({
    revoke(revocation) {
      pool.broadcast({ type: "revoke", revocation, mark: revocations.mark() });
      return 0;
    },
    lost: () => pool.broadcast({ type: "revocations lost", mark: revocations.mark() }),
  });
  readiness.add(() => pool.notReady());
  const addresses = await pool.start();
  const revoke = revokeLogged("sessions revoked by operator");
  const measureWorkers = () => pool.measure();
  const admin = openAdminListener(config, { readiness, metrics, hub: events.hub, stores, revoke, measureWorkers, log });
  undo.defer(() => admin.close());
  metrics.beforeRender(() => {
    stores.sample(metrics);
    events.hub.sample(metrics, PROTOCOL_NAMES);
  });
  const clockWatch = watchClock({ clock, log, metrics });
  undo.defer(() => clockWatch.stop());
  const telling = tellReadiness(pool, readiness);
  undo.defer(() => clearInterval(telling));
  events.start();

  const running = undo.move();
  const { edgeUrl, grpcUrl, bound } = addresses;
  const publish = publishUrl(events.privateListener);
  log.info("gateway started", { ...bound, admin: boundUrl(admin), ...publish, key_id: keys.keyId, workers });
  let stopped: Promise<boolean> | undefined;
  const adopt = {
    adoptBudgets(next: Config) {
      current = next;
      pool.broadcast({ type: "budgets", config: next });
    },
  };
  return {
    ...{ edgeUrl, grpcUrl },
    adminUrl: admin.url,
    publishUrl: events.privateListener?.url,
    stop() {
      stopped ??= stop.run({
        settings: stopSettings(config),
        ...{ hub: events.hub, readiness, clock, log },
        sleep: (ms) => Bun.sleep(ms),
        drainListeners: (streams) => pool.stop(streams),
        close: () => running.disposeAsync(),
      });
      return stopped;
    },
    reload: configReload(config, { adopters: [adopt, backend], log, metrics }),
  };
}

/** Tells the workers whether the gateway is ready, for their gRPC health service. */
function tellReadiness(pool: WorkerPool, readiness: Readiness): Timer {
  const tell = () => pool.broadcast({ type: "ready", isReady: readiness.reasons().length === 0 });
  readiness.onChange(tell);
  return setInterval(tell, READINESS_INTERVAL_MS);
}

/**
 * If `stores.shared_file` is not configured, sets it to a new file that only this gateway uses. The supervisor deletes this
 * file when it stops.
 */
function withSharedFile(config: GatewayConfig) {
  const path = config["stores.shared_file"] ?? `/dev/shm/sallyport-${process.pid}-${Date.now().toString(36)}`;
  return { ...config, "stores.shared_file": path };
}

interface Start {
  readonly addresses: WorkerAddresses | undefined;
  readonly mark: number;
  readonly isFeedUp: boolean;
}

/** Returns the start message of a worker. `addresses`: those of the first worker, whose ports all later workers use. */
function startMessage(config: Config, { addresses, mark, isFeedUp }: Start): ToWorker {
  const edge = { ...config["edge.listen"], ...(addresses && { port: addresses.edgePort }), isShared: true };
  const grpc = { ...config["grpc.listen"], ...(addresses && { port: addresses.grpcPort }), isShared: true };
  return { type: "start", config: { ...config, "edge.listen": edge, "grpc.listen": grpc }, mark, isFeedUp };
}
