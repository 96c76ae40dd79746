/** The gateway with budgets that the load does not reach. */
import { startGateway } from "../../../src/app/gateway.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createLog } from "../../../src/observe/log.ts";
import { stdoutSink } from "../../../src/observe/stdout.ts";
import { answerParent, parameters } from "../child.ts";

interface Parameters {
  readonly backendUrl: string;
  readonly pushUrl: string;
  readonly logLevel: string;
  readonly grpc?: "own-port" | "same-port";
}

const { backendUrl, pushUrl, logLevel, grpc = "own-port" } = parameters<Parameters>();
const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [
  "--set",
  `budgets.${name}.rate=1000000`,
  "--set",
  `budgets.${name}.burst=1000000`,
]);
const routes = [{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }] as const;
const anyPort = { host: "127.0.0.1", port: 0 };
const config = loadConfig({
  argv: [...roomy, "--set", `log.level=${logLevel}`, "--set", `edge.grpc=${grpc}`],
  env: {},
  overrides: {
    "edge.listen": anyPort,
    "grpc.listen": anyPort,
    "admin.listen": anyPort,
    "backend.url": backendUrl,
    "push.url": pushUrl,
    routes,
  },
});
const log = createLog({ level: config["log.level"], format: "json", write: stdoutSink });
const gateway = await startGateway({ config, log });
answerParent({ port: Number(new URL(gateway.edgeUrl).port) });
