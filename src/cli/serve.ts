import { ConfigFiles, watchFiles } from "../app/config-watch.ts";
import { startServe } from "../app/serve.ts";
import { ServiceManager, type ServiceVariables } from "../app/service-manager.ts";
import { createTelemetry } from "../app/telemetry.ts";
import { workerCount } from "../app/worker-count.ts";
import { loadConfigInSlices } from "../config/load.ts";
import { SERVE_RULES } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import type { Environment } from "../config/source-environment.ts";
import { messageOf } from "../core/cause.ts";
import type { Predecessor } from "../upgrade/predecessor.ts";
import { startedProgram } from "../upgrade/program.ts";
import { processEnvironment } from "./environment.ts";
import { reportFailure } from "./failure.ts";
import { playgroundEndpoints } from "./playground.ts";
import { connectPredecessor, takeUpgradeMark } from "./predecessor.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";
import { abortStart, type HeldSignals, stopSignal } from "./signals.ts";

export const HELP = `usage: sallyport serve [--config FILE] [--set KEY=VALUE …]

Starts the gateway in front of your backend. It requires backend.url, a signing key, and push.url or another push.source. Without
routes, it refuses every command.

  --config FILE     a file with settings in TOML, YAML or JSON; default: the variable SALLYPORT_CONFIG
  --set KEY=VALUE   one setting; overrides the file and the variables (SALLYPORT_BACKEND_URL sets backend.url); repeatable

Example:

  sallyport keygen --out current.key
  sallyport serve --config gateway.toml --set keys.current_file=current.key

SIGHUP, or POST /reload on the admin listener, reads the configuration again and applies what can change without a
restart, as a whole or not at all. With reload.watch_ms, changes of the files do the same.

SIGTERM or SIGINT drains the gateway and stops it when the calls in progress have ended. Another such signal, one second or
more later, exits immediately.
SIGUSR2 starts the executable and the configuration as they are on disk, beside this process, and then replaces it (see
sallyport upgrade --help).

Exit codes: 0 after a stop; 1 if calls were aborted at shutdown.deadline_ms, or if the start failed; 2 if the
configuration is invalid.`;

/** Returns the configuration with the number of workers in place of `workers.count = auto`. */
function withCount(config: Config, workers: number): Config {
  return config["workers.count"] === "auto" ? { ...config, "workers.count": workers } : config;
}

/**
 * `sallyport serve`: runs the gateway in front of a backend until SIGTERM or SIGINT. SIGHUP reloads the configuration. SIGUSR2
 * replaces this process by a new one.
 */
export async function run(args: readonly string[], { reloads, upgrades }: HeldSignals): Promise<number> {
  const env = processEnvironment();
  const predecessor = takeUpgradeMark(env) ? connectPredecessor() : undefined;
  try {
    return await serve(args, env, { reloads, upgrades, predecessor });
  } catch (error) {
    predecessor?.failed(messageOf(error));
    return reportFailure(error);
  }
}

interface ServeParts extends HeldSignals {
  readonly predecessor: Predecessor | undefined;
}

async function serve(args: readonly string[], env: Environment, parts: ServeParts): Promise<number> {
  const { reloads, upgrades, predecessor } = parts;
  const program = process.platform === "linux" ? startedProgram(env) : undefined;
  let secretConfigFile: string | undefined;
  const onSecretFile = (path: string) => {
    secretConfigFile = path;
  };
  const files = new ConfigFiles();
  const load = async () => {
    files.clear();
    const readFile = files.read;
    const sources = { argv: args, overrides: SERVE_DEFAULTS, rules: SERVE_RULES, onSecretFile, readFile };
    const config = await loadConfigInSlices(sources);
    for (const path of keyFiles(config)) files.add(path);
    return config;
  };
  const loaded = await load();
  const succession = predecessor && { predecessor, inheritance: await predecessor.inheritance };
  // Until this process has taken over, its log lines must not be mistaken for those of the running gateway.
  const { log, metrics } = createTelemetry(loaded, succession && { successor_pid: process.pid });
  const workers = workerCount(loaded, { log });
  const config = { ...loaded, "workers.count": workers };
  if (config.routes.length === 0) log.warn("no routes configured", { commands_refused_with: "MESSAGE_TYPE_UNKNOWN" });
  const stop = stopSignal();
  const endpoints = config["playground.enabled"] ? await playgroundEndpoints(config) : [];
  const service = new ServiceManager(serviceVariables(env), log);
  const reload = async () => withCount(await load(), workers);
  const onTakeOver = () => log.setFields(undefined);
  const options = { onTakeOver, config, log, metrics, secretConfigFile, endpoints, program, service, succession, load: reload };
  const served = await Promise.race([startServe(options), stop]);
  if (typeof served === "string") return await abortStart(served, log);
  reloads.start(() => void served.reload());
  upgrades.start(() => void served.upgrade());
  const watch = watchEvery(
    config["reload.watch_ms"],
    watchFiles(files, () => void served.reload()),
  );
  const why = await Promise.race([stop, served.replaced]);
  if (why !== "replaced") log.info("gateway stopping", { signal: why });
  clearInterval(watch);
  const inTime = await (why === "replaced" ? served.giveWay() : served.stop());
  await log.flush();
  return inTime ? 0 : 1;
}

function keyFiles(config: Config): string[] {
  const paths = [config["keys.current_file"], config["keys.next_file"], config["keys.previous_file"]];
  return paths.filter((path) => path !== undefined);
}

/** Calls `check` every `intervalMs`, and returns the timer. Does nothing if `intervalMs` is 0. */
function watchEvery(intervalMs: number, check: () => void): Timer | undefined {
  return intervalMs === 0 ? undefined : setInterval(check, intervalMs).unref();
}

function serviceVariables(env: Environment): ServiceVariables {
  return {
    notifySocket: env["NOTIFY_SOCKET"],
    watchdogMicroseconds: env["WATCHDOG_USEC"],
    watchdogPid: env["WATCHDOG_PID"],
  };
}
