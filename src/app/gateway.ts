import project from "../../package.json" with { type: "json" };
import { requireBackend } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import type { HttpEndpoint } from "../core/http-endpoint.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import { Revocations } from "../core/revocations.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";
import type { UpgradeOutcome, UpgradeScope } from "../core/upgrade.ts";
import { watchClock } from "../observe/clock-watch.ts";
import { watchEventLoop } from "../observe/event-loop-delay.ts";
import type { BatchedLog } from "../observe/log.ts";
import { createMetrics, type GatewayMetrics } from "../observe/metrics.ts";
import { PROTOCOL_NAMES } from "../rpc/protocol.ts";
import { openStores } from "../stores/open.ts";
import type { UpgradableGateway } from "../upgrade/upgrade.ts";
import { openAdminListener } from "./admin.ts";
import { openBackend } from "./backend.ts";
import { openEventPath } from "./event-path.ts";
import { boundUrl, portOf } from "./listeners.ts";
import { stopSettings, storeSettings } from "./options.ts";
import { publishUrl } from "./private-listener.ts";
import { Readiness } from "./readiness.ts";
import { hubLimits, type Load, logLevel, Reloading } from "./reload.ts";
import { openRequestPath } from "./request-path.ts";
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
  type Succession,
  untilReady,
} from "./succession.ts";

export interface Gateway {
  /** URL of the edge, such as `http://127.0.0.1:8080`. */
  readonly edgeUrl: string;
  /** URL of the gRPC listener. It is the same as `edgeUrl` if `edge.grpc = same-port`. */
  readonly grpcUrl: string;
  readonly adminUrl: string;
  /** URL of the private listener; `undefined` if the push source has none. */
  readonly publishUrl?: string | undefined;
  /**
   * Ends all event streams, waits for running calls, and then stops all parts. Resolves to `false` if calls still run after
   * `shutdown.deadline_ms`.
   */
  stop(): Promise<boolean>;
  /**
   * Calls `load` and applies the reloadable settings of the new configuration, on all workers. If the new configuration cannot
   * be used, changes nothing. Never rejects.
   */
  reload(load: Load): Promise<ReloadOutcome>;
}

/** A running gateway that another process can replace. */
export interface ReplaceableGateway extends Gateway, UpgradableGateway {
  /**
   * Stops this process after another one has taken over: closes the ports, answers all calls on open connections, and calls
   * `handOver` at the end. Resolves as `stop` does.
   */
  giveWay(handOver: () => Promise<void>): Promise<boolean>;
  /**
   * Replaces the workers by new processes of the same executable, one after the other. Resolves to the number of workers.
   * `undefined` if the gateway has no workers.
   */
  readonly replaceWorkers?: (() => Promise<number>) | undefined;
  /** Returns the reasons why the gateway is not ready. */
  notReady(): string[];
}

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log & Partial<Pick<BatchedLog, "setLevel">>;
  /** Path of the configuration file. It is set only if the file contains secrets. */
  readonly secretConfigFile?: string | undefined;
  readonly metrics?: GatewayMetrics | undefined;
  readonly clock?: Clock | undefined;
  /**
   * Keeps the checkpoint of the push feed from one start to the next. Default: the file that `history.checkpoint_file` names. If
   * neither is set, no checkpoint is stored.
   */
  readonly checkpoints?: FeedCheckpointStore | undefined;
  /** Further plain HTTP endpoints of the edge, such as the playground. Each call is charged to the budget `public_misc`. */
  readonly endpoints?: readonly HttpEndpoint[] | undefined;
  /**
   * Whether the memory of the stores is created so that a successor can use it. Otherwise, the gateway can be upgraded only if
   * `stores.shared_file` is set.
   */
  readonly sharesMemory?: boolean | undefined;
  /** The running process that this one replaces. */
  readonly succession?: Succession | undefined;
  /** Starts an upgrade, when an operator asks for one at the admin listener. */
  readonly upgrade?: ((of: UpgradeScope) => Promise<UpgradeOutcome>) | undefined;
  /** Reloads the configuration, when an operator asks for it at the admin listener. */
  readonly reload?: (() => Promise<ReloadOutcome>) | undefined;
  /**
   * Returns the reason why the configuration cannot be reloaded now; `undefined` if it can. While the gateway stops, it refuses
   * every reload and does not call this function.
   */
  readonly reloadObstacle?: (() => string | undefined) | undefined;
  /** Called with each revocation that an operator requests at the admin listener. */
  readonly onOperatorRevocation?: ((revocation: Revocation) => void) | undefined;
  /** Replaces `openStores`, which opens the configured stores. Only tests set it. */
  readonly openStores?: typeof openStores | undefined;
}

/**
 * Builds all parts of the gateway and starts them. If one part fails to start, stops the parts that already run and throws
 * `ConfigError`, `StoreError` or `ListenError`.
 */
export async function startGateway(options: GatewayOptions): Promise<ReplaceableGateway> {
  const { log, clock = systemClock } = options;
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

  const backend = openBackend(config, { metrics, log, clock });
  undo.defer(() => backend.close());
  const isShared = options.sharesMemory || config["stores.shared_file"] !== undefined;
  const memory = isShared ? openSharedMemory(config, succession, { clock, log }) : undefined;
  undo.defer(() => memory?.[Symbol.dispose]());
  const stores = await (options.openStores ?? openStores)(storeSettings(config, memory?.fd), {
    ...{ source: backend.sessions, revocations, clock, log, metrics },
    random: Math.random,
    onRevocation: revokeLogged("sessions revoked at another gateway"),
  });
  undo.defer(() => stores.close());
  requireSameMemory(stores, succession);
  const answers = answersOf(stores, succession);
  const { sessions, replayCoverageStartMs } = stores;
  const events = openEventPath(config, {
    ...{ keys, sessions, replayCoverageStartMs, revocations, readiness, log, metrics, clock },
    checkpoints: options.checkpoints,
    inherited: succession?.inheritance.checkpoint,
    backendToken: () => backend.identity().token,
    mayBeBehind: () => succession?.predecessor.isGone === false,
  });
  undo.defer(() => events.stop());
  readiness.add(stores.notReady);
  const { hub, streams, privateListener } = events;
  const isStopping = () => stop.isStopping();
  if (succession !== undefined) {
    events.start();
    await untilReady(readiness, succession);
  }
  const requests = await openRequestPath(config, {
    stores: { ...stores, answers },
    ...{ backend, streams, revocations, keys, readiness, isStopping, log, metrics, clock },
    endpoints: options.endpoints ?? [],
  });
  undo.defer(() => requests.close());
  const revoke = revokeLogged("sessions revoked by operator");
  const { upgrade, reload, onOperatorRevocation: onRevocation } = options;
  const admin = openAdminListener(config, { readiness, metrics, hub, stores, revoke, onRevocation, upgrade, reload, log });
  undo.defer(() => admin.close());
  undo.defer(
    metrics.beforeRender(() => {
      stores.sample(metrics);
      hub.sample(metrics, PROTOCOL_NAMES);
    }),
  );
  const clockWatch = watchClock({ clock, log, metrics });
  undo.defer(() => clockWatch.stop());
  const eventLoopWatch = watchEventLoop(clock, metrics);
  undo.defer(() => eventLoopWatch.stop());
  if (succession === undefined) events.start();

  const running = undo.move();
  const { edgeUrl, grpcUrl, bound } = requests;
  log.info("gateway started", { ...bound, admin: boundUrl(admin), ...publishUrl(privateListener), key_id: keys.keyId });
  const reloading = new Reloading(options.config, {
    parts: [signing, backend, requests, hubLimits(hub), logLevel(log)],
    obstacle: () => (stop.notReady().length > 0 ? "the gateway stops" : options.reloadObstacle?.()),
    ...{ log, metrics, clock },
  });
  const stopParts: Omit<StopParts, "settings"> = {
    ...{ hub, readiness, clock, log },
    sleep: (ms) => Bun.sleep(ms),
    drainListeners: () => requests.drain(),
    close: () => running.disposeAsync(),
  };
  let stopped: Promise<boolean> | undefined;
  return {
    edgeUrl,
    grpcUrl,
    adminUrl: admin.url,
    publishUrl: privateListener?.url,
    notReady: () => readiness.reasons(),
    revoke,
    answers: ownAnswers(stores, answers),
    sharedMemory: memory?.fd,
    bequeath() {
      requests.sharePorts();
      const ports = { edge: portOf(edgeUrl), grpc: portOf(grpcUrl) };
      return bequeath({ config, stores, memory, ports, admin, events });
    },
    giveWay(handOver) {
      const retire = () => {
        requests.retire();
        for (const listener of [admin, privateListener]) listener?.retire();
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
