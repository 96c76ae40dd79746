import { createConnectTransport } from "@connectrpc/connect-node";
import { startGateway } from "../app/gateway.ts";
import { loadConfig } from "../config/load.ts";
import { startDevBackend } from "../dev/backend.ts";
import { DEV_ROUTES } from "../dev/user-api.ts";
import { createLog } from "../observe/log.ts";
import { playStory } from "./demo-scenario.ts";
import { reportFailure } from "./failure.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

export const HELP = `usage: sallyport demo [--config FILE] [--set KEY=VALUE …]

The whole story, played by two clients over the network against a gateway and a backend of its own, on free ports, in a few seconds.
Exit 0 if every step held, else 1.

  --config FILE     settings in TOML, YAML or JSON; as SALLYPORT_CONFIG too
  --set KEY=VALUE   one setting, above the file and the variables; repeatable

Example:

  sallyport demo --set edge.grpc=same-port`;

/** `sallyport demo`: gateway and embedded backend on free ports, and the whole story played through them over the network. */
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
    // The story is what a person reads; of the logs only what should not be there.
    const log = createLog({ level: "error", format: "pretty", write: (lines) => void process.stderr.write(lines) });
    await using undo = new AsyncDisposableStack();
    const backend = await startDevBackend({
      restListen: config["dev.backend_listen"],
      pushListen: config["dev.push_listen"],
      hosts: config["admin.hosts"],
      database: config["dev.database"],
      log,
    });
    undo.defer(() => backend.stop());
    const wired = { ...config, "backend.url": backend.restUrl, "push.url": backend.pushUrl };
    const gateway = await startGateway({ config: wired, log });
    undo.defer(async () => void (await gateway.stop()));
    const held = await playStory({
      edgeUrl: gateway.edgeUrl,
      devBackendUrl: backend.restUrl,
      newTransport: () => createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "2" }),
      say: (line) => console.log(line),
      stopGateway: async () => void (await gateway.stop()),
    });
    await log.flush();
    return held ? 0 : 1;
  } catch (error) {
    return reportFailure(error);
  }
}
