import project from "../../package.json" with { type: "json" };
import { ConfigError } from "../config/problem.ts";
import { requireBackend } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../core/clock.ts";
import { Revocations } from "../core/revocations.ts";
import { watchClock } from "../observe/clock-watch.ts";
import { watchEventLoop } from "../observe/event-loop-delay.ts";
import { createMetrics } from "../observe/metrics.ts";
import { PROTOCOL_NAMES } from "../rpc/protocol.ts";
import { openStores } from "../stores/open.ts";
import type { ToWorker, WorkerAddresses } from "../workers/messages.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import { startWorkerProcess, workerCommand } from "../workers/worker-process.ts";
import { openAdminListener } from "./admin.ts";
import { openBackend } from "./backend.ts";
import { openEventPath } from "./event-path.ts";
import type { GatewayOptions, ReplaceableGateway } from "./gateway.ts";
import { boundUrl } from "./listeners.ts";
import { stopSettings, storeSettings } from "./options.ts";
import { publishUrl } from "./private-listener.ts";
import { Readiness } from "./readiness.ts";
import { hubLimits, logLevel, Reloading, type ReloadPart } from "./reload.ts";
import { warnOfOpenFiles } from "./secret-files.ts";
import { warnOfShortAnswers } from "./short-answers.ts";
import { SigningKeys } from "./signing-keys.ts";
import { limitDnsCache, loggedRevoke } from "./start-parts.ts";
import { Stop, type StopParts } from "./stop.ts";
import {
  answersOf,
  bequeath,
  inheritPorts,
  openSharedMemory,
  ownAnswers,
  requireSameMemory,
  untilReady,
} from "./succession.ts";
import { TlsCopy, type WorkerFiles } from "./worker-files.ts";

const READINESS_INTERVAL_MS = 1000;

export interface SupervisorOptions extends GatewayOptions {
  readonly workers: number;
  /** The command line of a worker. Default: this program with the command `worker`. */
  readonly workerCommand?: readonly string[] | undefined;
}

/**
 * Starts a gateway with several worker processes. This process is the supervisor: it has the push feed, the hub, the replay
 * buffers, the admin listener and the configuration. The workers accept connections, run the pipeline and hold the streams.
 *
 * Throws the same errors as `startGateway`. Also throws `WorkerError` if a worker cannot start.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<ReplaceableGateway> {
  const { log, workers, clock = systemClock } = options;
  const { succession } = options;
  const config = inheritPorts(requireBackend(options.config), succession);
  const metrics = options.metrics ?? createMetrics({ version: project.version, clock });
  const stop = new Stop();
  limitDnsCache(log);
  warnOfOpenFiles(config, options.secretConfigFile, log);
  warnOfShortAnswers(config, log);
  const revocations = new Revocations({ clock, graceMs: config["push.grace_ms"] });
  const revokeLogged = loggedRevoke(revocations, log);
  const readiness = new Readiness();
  readiness.add(() => stop.notReady());
  await using undo = new AsyncDisposableStack();
  const signing = new SigningKeys(config, { clock, log });
  undo.defer(() => signing.stop());
  const keys = signing.ring;
  const memory = openSharedMemory(config, succession, { clock, log });
  undo.defer(() => memory[Symbol.dispose]());

  const tls = new TlsCopy(config, clock);
  undo.defer(() => tls.stop());
  // The only backend calls of the supervisor are session look-ups. So it updates only the gauges of their pool.
  const backend = openBackend(config, { metrics, log, clock, sampledPools: ["sessions"] });
  undo.defer(() => backend.close());
  const stores = await openStores(storeSettings(config, memory.fd), {
    ...{ source: backend.sessions, revocations, clock, log, metrics },
    random: Math.random,
    onRevocation: revokeLogged("sessions revoked at another gateway"),
  });
  undo.defer(() => stores.close());
  requireSameMemory(stores, succession);
  const answers = answersOf(stores, succession);
  let isFeedUp = false;
  const { sessions, replayCoverageStartMs } = stores;
  const events = openEventPath(config, {
    ...{ keys, sessions, replayCoverageStartMs, revocations, readiness, log, metrics, clock },
    checkpoints: options.checkpoints,
    inherited: succession?.inheritance.checkpoint,
    backendToken: () => backend.identity().token,
    mayBeBehind: () => succession?.predecessor.isGone === false,
    onFeedChange(isUp) {
      isFeedUp = isUp;
      pool.broadcast({ type: "feed", isUp });
    },
  });
  undo.defer(() => events.stop());
  // The workers get the seeds of the signing keys, so that all processes sign with the same key.
  let current = signing.inline(config);
  const pool = new WorkerPool({
    count: workers,
    streams: events.streams,
    answers,
    startMessage(worker, addresses) {
      const files: WorkerFiles = { tls: tls.current, backend: backend.identity() };
      return startMessage(current, { worker, addresses, files, mark: revocations.mark(), isFeedUp });
    },
    startProcess: (onMessage) => startWorkerProcess(options.workerCommand ?? workerCommand(), memory.fd, onMessage),
    onChange: () => readiness.changed(),
    ...{ clock, log, metrics },
    random: Math.random,
  });
  undo.defer(() => pool.close());
  // Each `revoke` and each `revocations lost` message adds one entry to the revocation logs of the workers. The supervisor's log
  // already has the same entry. So all logs stay at the same position (`mark`).
  revocations.join({
    revoke(revocation) {
      pool.broadcast({ type: "revoke", revocation, mark: revocations.mark() });
      return 0;
    },
    lost: () => pool.broadcast({ type: "revocations lost", mark: revocations.mark() }),
  });
  if (succession !== undefined) {
    events.start();
    await untilReady(readiness, succession);
  }
  readiness.add(() => pool.notReady());
  const addresses = await pool.start();
  const revoke = revokeLogged("sessions revoked by operator");
  const { upgrade, reload, onOperatorRevocation: onRevocation } = options;
  const admin = openAdminListener(config, {
    ...{ readiness, metrics, hub: events.hub, stores, revoke, onRevocation, upgrade, reload, workers: pool, log },
  });
  undo.defer(() => admin.close());
  metrics.beforeRender(() => {
    stores.sample(metrics);
    events.hub.sample(metrics, PROTOCOL_NAMES);
  });
  const clockWatch = watchClock({ clock, log, metrics });
  undo.defer(() => clockWatch.stop());
  const eventLoopWatch = watchEventLoop(clock, metrics);
  undo.defer(() => eventLoopWatch.stop());
  const telling = tellReadiness(pool, readiness);
  undo.defer(() => clearInterval(telling));
  if (succession === undefined) events.start();

  const running = undo.move();
  const { edgeUrl, grpcUrl, bound } = addresses;
  const publish = publishUrl(events.privateListener);
  log.info("gateway started", { ...bound, admin: boundUrl(admin), ...publish, key_id: keys.keyId, workers });
  let lastReload = 0;
  const onWorkers: ReloadPart = {
    async prepare(next) {
      const id = ++lastReload;
      const inline = signing.inline(next);
      const keys = signing.prepare(next, inline);
      const problems = await pool.prepare(id, inline);
      if (problems.length > 0) throw new ConfigError(problems);
      return {
        commit() {
          keys.commit();
          current = inline;
          pool.broadcast({ type: "commit", id, config: inline });
        },
        changedFiles: keys.changedFiles ?? [],
      };
    },
  };
  const reloading = new Reloading(options.config, {
    parts: [backend, tls, hubLimits(events.hub), logLevel(log), onWorkers],
    obstacle: () => (stop.notReady().length > 0 ? "the gateway stops" : options.reloadObstacle?.()),
    ...{ log, metrics, clock },
  });
  const stopParts: Omit<StopParts, "settings"> = {
    ...{ hub: events.hub, readiness, clock, log },
    sleep: (ms) => Bun.sleep(ms),
    drainListeners: (streams) => pool.stop(streams),
    close: () => running.disposeAsync(),
  };
  let stopped: Promise<boolean> | undefined;
  return {
    ...{ edgeUrl, grpcUrl },
    adminUrl: admin.url,
    publishUrl: events.privateListener?.url,
    notReady: () => readiness.reasons(),
    revoke,
    answers: ownAnswers(stores, answers),
    sharedMemory: memory.fd,
    replaceWorkers: () => pool.replaceAll({ ...stopSettings(reloading.running), startMs: config["upgrade.timeout_ms"] }),
    bequeath() {
      const ports = { edge: addresses.edgePort, grpc: addresses.grpcPort };
      return bequeath({ config, stores, memory, ports, admin, events });
    },
    giveWay(handOver) {
      const retire = () => {
        pool.retire();
        for (const listener of [admin, events.privateListener]) listener?.retire();
      };
      stopped ??= stop.run({ ...stopParts, settings: stopSettings(reloading.running), succession: { retire, handOver } });
      return stopped;
    },
    stop() {
      stopped ??= stop.run({ ...stopParts, settings: stopSettings(reloading.running) });
      return stopped;
    },
    reload: (load) => reloading.reload(load),
  };
}

/** Tells the workers whether the gateway is ready, for their gRPC health service. */
function tellReadiness(pool: WorkerPool, readiness: Readiness): Timer {
  const tell = () => pool.broadcast({ type: "ready", isReady: readiness.reasons().length === 0 });
  readiness.onChange(tell);
  return setInterval(tell, READINESS_INTERVAL_MS);
}

interface Start {
  readonly worker: number;
  readonly addresses: WorkerAddresses | undefined;
  readonly files: WorkerFiles;
  readonly mark: number;
  readonly isFeedUp: boolean;
}

/**
 * Returns the start message of a worker. `addresses` are the addresses of the first worker. All later workers use the ports of
 * the first worker.
 *
 * For the first worker, `addresses` is `undefined`. The first worker opens the ports without SO_REUSEPORT. So it fails if another
 * program uses one of the ports.
 */
function startMessage(config: Config, { addresses, ...start }: Start): ToWorker {
  if (addresses === undefined) return { type: "start", config, ...start };
  const edge = { ...config["edge.listen"], port: addresses.edgePort, isShared: true };
  const grpc = { ...config["grpc.listen"], port: addresses.grpcPort, isShared: true };
  return { type: "start", config: { ...config, "edge.listen": edge, "grpc.listen": grpc }, ...start };
}
