import { startGateway } from "../app/gateway.ts";
import { loadConfig } from "../config/load.ts";
import { SERVE_RULES } from "../config/rules.ts";
import { reportFailure } from "./failure.ts";
import { type ReloadSignals, stoppedEarly, stopSignal } from "./signals.ts";
import { createTelemetry } from "./telemetry.ts";

export const HELP = `usage: sallyport serve [--config FILE] [--set KEY=VALUE …]

The gateway in front of your backend, until SIGTERM or SIGINT stops it. It needs backend.url, push.url and a key, and routes to
serve commands by.

  --config FILE     settings in TOML, YAML or JSON; as SALLYPORT_CONFIG too
  --set KEY=VALUE   one setting, above the file and the variables (backend.url is SALLYPORT_BACKEND_URL); repeatable

Example:

  sallyport keygen --out current.key
  sallyport serve --config gateway.toml --set keys.current_file=current.key

SIGHUP reads the configuration again and takes up its budgets. SIGTERM or SIGINT stops in order: exit 0, or 1 if calls had to be cut
(shutdown.deadline_ms); a second one, a second later or more, ends at once. Exit 2: the configuration has a problem.`;

/** `sallyport serve`: the gateway in front of a backend of yours, until it is told to stop. SIGHUP reloads its budgets. */
export async function run(args: readonly string[], reloads: ReloadSignals): Promise<number> {
  try {
    let secretConfigFile: string | undefined;
    const onSecretFile = (path: string) => {
      secretConfigFile = path;
    };
    const load = () => loadConfig({ argv: args, rules: SERVE_RULES, onSecretFile });
    const config = load();
    const { log, metrics } = createTelemetry(config);
    if (config.routes.length === 0) log.warn("no routes configured", { reason: "MESSAGE_TYPE_UNKNOWN" });
    const stop = stopSignal();
    const gateway = await Promise.race([startGateway({ config, log, metrics, secretConfigFile }), stop]);
    if (typeof gateway === "string") return await stoppedEarly(gateway, log);
    reloads.start(() => gateway.reload(load));
    log.info("gateway stopping", { signal: await stop });
    const inTime = await gateway.stop();
    await log.flush();
    return inTime ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
