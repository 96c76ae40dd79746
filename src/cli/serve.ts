import { type Gateway, type GatewayOptions, startGateway } from "../app/gateway.ts";
import { startSupervisor } from "../app/supervisor.ts";
import { workerCount } from "../app/worker-count.ts";
import { loadConfig } from "../config/load.ts";
import { SERVE_RULES } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../core/telemetry.ts";
import { reportFailure } from "./failure.ts";
import { playgroundEndpoints } from "./playground.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";
import { abortStart, type ReloadSignals, stopSignal } from "./signals.ts";
import { createTelemetry } from "./telemetry.ts";

export const HELP = `usage: sallyport serve [--config FILE] [--set KEY=VALUE …]

Starts the gateway in front of your backend. It requires backend.url, a signing key, and push.url or another push.source. Without
routes, it refuses every command.

  --config FILE     a file with settings in TOML, YAML or JSON; default: the variable SALLYPORT_CONFIG
  --set KEY=VALUE   one setting; overrides the file and the variables (SALLYPORT_BACKEND_URL sets backend.url); repeatable

Example:

  sallyport keygen --out current.key
  sallyport serve --config gateway.toml --set keys.current_file=current.key

SIGHUP reloads the configuration and applies changed budgets. SIGTERM or SIGINT drains the gateway and stops it
when the calls in progress have ended. Another such signal, one second or more later, exits immediately.

Exit codes: 0 after a stop; 1 if calls were aborted at shutdown.deadline_ms, or if the start failed; 2 if the
configuration is invalid.`;

/** Starts one process, or a supervisor with workers. */
function start(options: GatewayOptions & { readonly log: Log }): Promise<Gateway> {
  const workers = options.config["workers.count"];
  return workers === "auto" || workers === 1 ? startGateway(options) : startSupervisor({ ...options, workers });
}

/** Returns the configuration with the number of workers that `auto` stands for. */
function withCount(config: Config, workers: number): Config {
  return config["workers.count"] === "auto" ? { ...config, "workers.count": workers } : config;
}

/** `sallyport serve`: runs the gateway in front of a backend until SIGTERM or SIGINT. SIGHUP reloads the budgets. */
export async function run(args: readonly string[], reloads: ReloadSignals): Promise<number> {
  try {
    let secretConfigFile: string | undefined;
    const onSecretFile = (path: string) => {
      secretConfigFile = path;
    };
    const load = () => loadConfig({ argv: args, overrides: SERVE_DEFAULTS, rules: SERVE_RULES, onSecretFile });
    const loaded = load();
    const { log, metrics } = createTelemetry(loaded);
    const workers = workerCount(loaded, { log });
    const config = { ...loaded, "workers.count": workers };
    if (config.routes.length === 0) log.warn("no routes configured", { commands_refused_with: "MESSAGE_TYPE_UNKNOWN" });
    const stop = stopSignal();
    const endpoints = config["playground.enabled"] ? await playgroundEndpoints() : [];
    const gateway = await Promise.race([start({ config, log, metrics, secretConfigFile, endpoints }), stop]);
    if (typeof gateway === "string") return await abortStart(gateway, log);
    reloads.start(() => gateway.reload(() => withCount(load(), workers)));
    log.info("gateway stopping", { signal: await stop });
    const inTime = await gateway.stop();
    await log.flush();
    return inTime ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
