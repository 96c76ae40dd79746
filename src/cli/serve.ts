import { startGateway } from "../app.ts";
import { requireSigningKey } from "../config/check.ts";
import { loadConfig } from "../config/load.ts";
import { createLog } from "../observe/log.ts";
import { stdoutSink } from "../observe/stdout.ts";
import { reportFailure } from "./failure.ts";
import { stopSignal } from "./signals.ts";

/** `sallyport serve`: the gateway in front of a backend of yours, until it is told to stop. SIGHUP has it read its budgets anew. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const config = loadConfig({ argv: args });
    requireSigningKey(config);
    const log = createLog({ level: config["log.level"], format: config["log.format"], write: stdoutSink });
    const gateway = await startGateway({ config, log });
    process.on("SIGHUP", () => gateway.reload(() => loadConfig({ argv: args })));
    log.info("gateway: stopping", { signal: await stopSignal() });
    const inTime = await gateway.stop();
    await log.flush();
    return inTime ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
