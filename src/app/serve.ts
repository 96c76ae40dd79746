import project from "../../package.json" with { type: "json" };
import { UPGRADE_VARIABLE } from "../config/variables.ts";
import { messageOf } from "../core/cause.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import type { Log } from "../core/telemetry.ts";
import type { UpgradeOutcome, UpgradeScope } from "../core/upgrade.ts";
import { createMetrics } from "../observe/metrics.ts";
import { redirectFd } from "../transport/linux/redirect.ts";
import type { Program } from "../upgrade/program.ts";
import { SUCCESSOR_FDS, startSuccessor } from "../upgrade/successor-process.ts";
import { Upgrade } from "../upgrade/upgrade.ts";
import { type GatewayOptions, type ReplaceableGateway, startGateway } from "./gateway.ts";
import { warnOfLostConnections } from "./migration.ts";
import type { Load } from "./reload.ts";
import type { ServiceManager } from "./service-manager.ts";
import { startSupervisor } from "./supervisor.ts";
import { WorkerReplacement } from "./worker-replacement.ts";

export interface ServeOptions
  extends Omit<GatewayOptions, "sharesMemory" | "upgrade" | "reload" | "reloadObstacle" | "onOperatorRevocation"> {
  /** Reads the configuration again. Throws `ConfigError`. */
  readonly load: Load;
  /** How this process was started; `undefined` if it cannot be upgraded. */
  readonly program: Program | undefined;
  readonly service: ServiceManager;
  /** Called when this process has replaced its predecessor. */
  readonly onTakeOver?: () => void;
}

/** A gateway that another process can replace. */
export interface ServedGateway {
  readonly gateway: ReplaceableGateway;
  /** Reloads the configuration, and reports the reload to the service manager. Never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** Starts an upgrade. Resolves when the new process has taken over or has failed. */
  upgrade(): Promise<UpgradeOutcome>;
  /** Resolves when another process has taken over. Then call `giveWay`. */
  readonly replaced: Promise<"replaced">;
  /** Stops this process after another one has taken over. Resolves as `Gateway.stop` does. */
  giveWay(): Promise<boolean>;
  /** Stops the gateway. If an upgrade has started a new process that is not ready yet, also ends that process. */
  stop(): Promise<boolean>;
}

/** Starts a gateway that can be upgraded: one process, or a supervisor with workers. Throws as `startGateway` does. */
export async function startServe(options: ServeOptions): Promise<ServedGateway> {
  const { config, log, program, service, succession } = options;
  const metrics = options.metrics ?? createMetrics({ version: project.version });
  const replaced = Promise.withResolvers<"replaced">();
  let upgrade: Upgrade | undefined;
  let workers: WorkerReplacement | undefined;
  const request = async (of: UpgradeScope = "all"): Promise<UpgradeOutcome> => {
    if (program === undefined) return notUpgradable(log);
    if (of === "workers") return workers?.request() ?? STARTING;
    return upgrade?.request() ?? STARTING;
  };
  let running: ReplaceableGateway | undefined;
  const reload = async (): Promise<ReloadOutcome> =>
    running === undefined ? NOT_STARTED : service.reload(running.reload.bind(running, options.load));
  warnOfLostConnections(log);
  const gateway = await start({
    ...options,
    metrics,
    sharesMemory: process.platform === "linux",
    upgrade: request,
    reload,
    reloadObstacle: () => upgrade?.activity ?? workers?.activity,
    onOperatorRevocation(revocation) {
      upgrade?.announce(revocation);
      succession?.predecessor.announce(revocation);
    },
  });
  running = gateway;
  upgrade =
    program &&
    new Upgrade({
      ...{ gateway, log, metrics },
      timeoutMs: config["upgrade.timeout_ms"],
      startProcess: (onMessage, onBadMessage) =>
        startSuccessor({
          ...{ program, onMessage, onBadMessage },
          variable: UPGRADE_VARIABLE,
          sharedMemory: gateway.sharedMemory,
        }),
      obstacle: () => workers?.activity ?? containerObstacle() ?? drainingProcess(succession),
      onReady(pid) {
        service.replacedBy(pid);
        replaced.resolve("replaced");
      },
    });
  workers = new WorkerReplacement({
    replace: gateway.replaceWorkers,
    obstacle: () => upgrade?.activity ?? drainingProcess(succession),
    log,
  });
  const started = () => service.started(() => gateway.notReady());
  if (succession === undefined) started();
  else {
    succession.predecessor.ready({
      log,
      revoke: (revocation) => gateway.revoke(revocation),
      onTakeOver() {
        keepStandardError(log);
        options.onTakeOver?.();
        metrics.count("sallyport_upgrades_total", { outcome: "done" });
        log.info("gateway took over from predecessor", { version: project.version });
        started();
      },
    });
  }
  return {
    gateway,
    reload,
    upgrade: request,
    replaced: replaced.promise,
    giveWay: () => gateway.giveWay(async () => upgrade?.handOver()),
    stop() {
      upgrade?.abort();
      service.stopping();
      return gateway.stop();
    },
  };
}

const STARTING: UpgradeOutcome = { kind: "refused", problem: "the gateway is starting" };
const NOT_STARTED: ReloadOutcome = { kind: "refused", problems: ["the gateway is starting"] };

function start(options: GatewayOptions): Promise<ReplaceableGateway> {
  const workers = options.config["workers.count"];
  return workers === "auto" || workers === 1 ? startGateway(options) : startSupervisor({ ...options, workers });
}

function notUpgradable(log: Log): UpgradeOutcome {
  const problem = "an upgrade needs Linux: restart the gateway instead";
  log.warn("upgrade refused", { cause: problem });
  return { kind: "refused", problem };
}

function containerObstacle(): string | undefined {
  if (process.pid !== 1) return undefined;
  return "the gateway is process 1 of a container, which ends with it: replace the container instead";
}

function drainingProcess(succession: ServeOptions["succession"]): string | undefined {
  return succession?.predecessor.isGone === false ? "the previous process has not ended yet" : undefined;
}

/** Redirects standard error to that of the predecessor. Before this call, standard error is a pipe to the predecessor. */
function keepStandardError(log: Log): void {
  try {
    redirectFd(SUCCESSOR_FDS.stderr, 2);
  } catch (cause) {
    log.warn("redirection of standard error failed", { cause: messageOf(cause) });
  }
}
