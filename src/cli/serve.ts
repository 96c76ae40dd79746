import { startGateway } from "../app.ts";
import { SERVE_RULES } from "../config/check.ts";
import { loadConfig } from "../config/load.ts";
import { createLog } from "../observe/log.ts";
import { stdoutSink } from "../observe/stdout.ts";
import { reportFailure } from "./failure.ts";
import { stopSignal } from "./signals.ts";

/** `sallyport serve`: the gateway in front of a backend of yours, until it is told to stop. SIGHUP has it read its budgets anew. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const load = () => loadConfig({ argv: args, rules: SERVE_RULES });
    const config = load();
    const log = createLog({ level: config["log.level"], format: config["log.format"], write: stdoutSink });
    if (config.routes.length === 0) log.warn("routes: none; every command is refused", { reason: "MESSAGE_TYPE_UNKNOWN" });
    const gateway = await startGateway({ config, log });
    process.on("SIGHUP", () => gateway.reload(load));
    log.info("gateway: stopping", { signal: await stopSignal() });
    const inTime = await gateway.stop();
    await log.flush();
    return inTime ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
