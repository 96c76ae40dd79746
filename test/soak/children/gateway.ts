/** The soak's gateway: limits and budgets that its clients do not reach. */
import { heapStats } from "bun:jsc";
import { startGateway } from "../../../src/app/gateway.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createLog } from "../../../src/observe/log.ts";
import { answerParent, parameters } from "../child.ts";

interface Parameters {
  readonly backendUrl: string;
  readonly pushUrl: string;
  readonly listen: string;
  readonly settings: Readonly<Record<string, string>>;
}

const { backendUrl, pushUrl, listen, settings } = parameters<Parameters>();
const budgets = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
const limits = ["streams.per_session", "streams.per_user", "streams.per_network", "streams.total", "connections.per_network"];
const roomy = [...budgets, ...limits.map((name) => `${name}_max`)].map((key) => [key, "1000000"] as const);
const config = loadConfig({
  argv: [...roomy, ...Object.entries(settings)].flatMap(([key, value]) => ["--set", `${key}=${value}`]),
  env: {},
  overrides: {
    "edge.listen": { host: listen, port: 0 },
    "grpc.listen": { host: listen, port: 0 },
    "admin.listen": { host: "127.0.0.1", port: 0 },
    "backend.url": backendUrl,
    "push.url": pushUrl,
  },
});
const log = createLog({ level: "info", format: "json", write: () => {} });
const gateway = await startGateway({ config, log });

/** A metric from the admin listener, summed over labels. 0 if it is absent. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

const portOf = (url: string) => Number(new URL(url).port);

const answers = {
  /** The public ports. They are equal with one port. */
  ports: () => ({ edge: portOf(gateway.edgeUrl), grpc: portOf(gateway.grpcUrl) }),
  metric,
  /** Resident memory after a garbage collection, in bytes. */
  residentBytes() {
    Bun.gc(true);
    return process.memoryUsage.rss();
  },
  /** The JavaScript heap after a garbage collection, to distinguish its leaks from leaks in Bun. */
  heap() {
    Bun.gc(true);
    const { heapSize, extraMemorySize, objectCount, objectTypeCounts } = heapStats();
    return { heapSize, extraMemorySize, objectCount, objectTypeCounts };
  },
};
export type GatewayAnswers = typeof answers;
answerParent(answers);
