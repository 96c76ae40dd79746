import { type Gateway, type GatewayOptions, startGateway } from "../../src/app/gateway.ts";
import { startSupervisor } from "../../src/app/supervisor.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { createLog } from "../../src/observe/log.ts";
import { WorkerOutput } from "./worker-output.ts";

/** Number of workers of a gateway if the test does not choose. With 1, the gateway runs in the test's process. */
export const TEST_WORKERS = Number(process.env["SALLYPORT_TEST_WORKERS"] ?? 1);

/** Settings of a gateway with workers: small tables, because each such gateway reserves a file for them. */
const WORKER_SETTINGS: Partial<Config> = {
  "replay.entries_max": 10_000,
  "buckets.entries_max": 10_000,
  "session_cache.entries_max": 10_000,
  "connections.total_max": 10_000,
  "log.level": "debug",
};

export interface TestGatewayOptions extends Pick<GatewayOptions, "openStores" | "clock"> {
  readonly workers?: number | undefined;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly config: Config;
  /** The log lines so far, those of workers included. */
  logged(): string;
  stop(): Promise<void>;
}

export async function startTestGateway(overrides: Partial<Config>, options: TestGatewayOptions = {}): Promise<TestGateway> {
  // A clock or stores of the test exist only in its own process.
  const isInProcess = options.clock !== undefined || options.openStores !== undefined;
  const { workers = isInProcess ? 1 : TEST_WORKERS } = options;
  const output = workers > 1 ? new WorkerOutput() : undefined;
  const config = loadConfig({ env: {}, overrides: output === undefined ? overrides : { ...WORKER_SETTINGS, ...overrides } });
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (batch) => void lines.push(batch) });
  const gateway =
    output === undefined
      ? await startGateway({ config, log, clock: options.clock, openStores: options.openStores })
      : await startSupervisor({ config, log, workers, workerCommand: output.command });
  return {
    gateway,
    config,
    logged: () => lines.join("") + (output?.text() ?? ""),
    async stop() {
      await gateway.stop();
      output?.remove();
    },
  };
}
