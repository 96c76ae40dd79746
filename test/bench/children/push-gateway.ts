/** The gateway with room for the streams of the push benchmark, and no heartbeat while it measures. */
import { startGateway } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createLog } from "../../../src/observe/log.ts";
import { answerParent, parameters } from "../child.ts";

const { backendUrl, pushUrl, listener } = parameters<{ backendUrl: string; pushUrl: string; listener: "edge" | "grpc" }>();
const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
const limits = ["per_session", "per_user", "per_network", "total"].map((name) => `streams.${name}_max`);
const settings = [...roomy, ...limits].map((key) => `${key}=1000000`);
const anyPort = { host: "127.0.0.1", port: 0 };
const config = loadConfig({
  argv: [...settings, "streams.heartbeat_ms=600000"].flatMap((setting) => ["--set", setting]),
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
answerParent({ port: Number(new URL(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl).port) });
