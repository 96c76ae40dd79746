/** The gateway with budgets that the load does not reach. */
import { startGateway } from "../../../src/app/gateway.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { createLog } from "../../../src/observe/log.ts";
import { stdoutSink } from "../../../src/observe/stdout.ts";
import { PEAK_MEMORY } from "../../support/peak-memory.ts";
import { answerParent, parameters } from "../child.ts";

interface Parameters {
  readonly backendUrl: string;
  readonly pushUrl: string;
  readonly logLevel: string;
  readonly grpc?: "own-port" | "same-port";
  /** Settings that replace those below. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Tables that replace those below. With upstreams, `backendUrl` is not used. */
  readonly tables?: Partial<Pick<Config, "routes" | "upstreams">>;
}

const { backendUrl, pushUrl, logLevel, grpc = "own-port", settings = {}, tables = {} } = parameters<Parameters>();
const more = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
const budgets = ["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"];
const roomy = budgets.flatMap((name) => ["--set", `budgets.${name}.rate=1000000`, "--set", `budgets.${name}.burst=1000000`]);
const routes = [{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }] as const;
const anyPort = { host: "127.0.0.1", port: 0 };
const config = loadConfig({
  argv: [...roomy, ...more, "--set", `log.level=${logLevel}`, "--set", `edge.grpc=${grpc}`],
  env: {},
  overrides: {
    "edge.listen": anyPort,
    "grpc.listen": anyPort,
    "admin.listen": anyPort,
    "backend.url": tables.upstreams === undefined ? backendUrl : undefined,
    "push.url": pushUrl,
    routes,
    ...tables,
  },
});
const log = createLog({ level: config["log.level"], format: "json", write: stdoutSink });
const gateway = await startGateway({ config, log });
const grpcPort = Number(new URL(gateway.grpcUrl).port);
answerParent({ port: Number(new URL(gateway.edgeUrl).port), grpcPort }, PEAK_MEMORY);
