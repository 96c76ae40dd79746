import { createConnectTransport } from "@connectrpc/connect-node";
import { embeddedBackendOptions, withEmbeddedBackend } from "../app/embedded-backend.ts";
import { startGateway } from "../app/gateway.ts";
import { loadConfig } from "../config/load.ts";
import { startDevBackend } from "../dev/backend.ts";
import { DEV_ROUTES } from "../dev/user-api.ts";
import { createLog } from "../observe/log.ts";
import { runScenario } from "./demo-scenario.ts";
import { reportFailure } from "./failure.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

export const HELP = `usage: sallyport demo [--config FILE] [--set KEY=VALUE …]

Starts a gateway and an embedded backend on free ports, and runs a scenario of two clients against them over the network.
The scenario takes a few seconds. The exit code is 0 if all steps passed, otherwise 1.

  --config FILE     a file with settings in TOML, YAML or JSON; default: the variable SALLYPORT_CONFIG
  --set KEY=VALUE   one setting; overrides the file and the variables; repeatable

Example:

  sallyport demo --set edge.grpc=same-port`;

/** `sallyport demo`: runs the scenario against a gateway and an embedded backend on free ports. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const overrides = {
      routes: DEV_ROUTES,
      "edge.listen": ANY_PORT,
      "grpc.listen": ANY_PORT,
      "admin.listen": ANY_PORT,
      "dev.backend_listen": ANY_PORT,
      "dev.push_listen": ANY_PORT,
    };
    const config = loadConfig({ argv: args, overrides });
    // Standard output shows the steps of the scenario. The log is written to standard error, and contains only errors.
    const log = createLog({ level: "error", format: "pretty", write: (lines) => void process.stderr.write(lines) });
    await using undo = new AsyncDisposableStack();
    const backend = await startDevBackend({ ...embeddedBackendOptions(config), log });
    undo.defer(() => backend.stop());
    const gateway = await startGateway({ config: withEmbeddedBackend(config, backend), log });
    undo.defer(async () => void (await gateway.stop()));
    const passed = await runScenario({
      edgeUrl: gateway.edgeUrl,
      devBackendUrl: backend.restUrl,
      newTransport: () => createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "2" }),
      print: (line) => console.log(line),
      stopGateway: async () => void (await gateway.stop()),
    });
    await log.flush();
    return passed ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
