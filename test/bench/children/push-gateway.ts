/**
 * The gateway of the push benchmarks. Its tables have room for the streams and little more, because their memory counts as memory of the
 * streams. Heartbeats are rare, so that they do not disturb the measurement. On a busy machine, a round can take longer than the default
 * of connections.stall_ms, which would reset the stream of the slow reader.
 */
import { startGateway } from "../../../src/app/gateway.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createLog } from "../../../src/observe/log.ts";
import { answerParent, parameters } from "../child.ts";
import { EVENT_WATCH } from "./event-watch.ts";

interface Parameters {
  readonly backendUrl: string;
  readonly pushUrl: string;
  readonly listener: "edge" | "grpc";
  readonly streams: number;
}

const RARE = ["streams.heartbeat_ms=100000", "connections.stall_ms=600000"];

const { backendUrl, pushUrl, listener, streams } = parameters<Parameters>();
const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
const limits = [
  ...["per_session", "per_user", "per_network", "total"].map((name) => `streams.${name}_max`),
  "connections.per_network_max",
];
const tables = ["replay", "buckets"].map((name) => `${name}.entries_max=${streams + 1000}`);
const settings = [...[...roomy, ...limits].map((key) => `${key}=1000000`), ...tables, ...RARE];
const anyPort = { host: "127.0.0.1", port: 0 };
const config = loadConfig({
  argv: settings.flatMap((setting) => ["--set", setting]),
  env: {},
  overrides: {
    "edge.listen": anyPort,
    "grpc.listen": anyPort,
    "admin.listen": anyPort,
    "backend.url": backendUrl,
    "push.url": pushUrl,
  },
});
const log = createLog({ level: "info", format: "json", write: () => {} });
const gateway = await startGateway({ config, log });
const { port } = new URL(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl);
answerParent({ port: Number(port), adminUrl: gateway.adminUrl }, EVENT_WATCH);
