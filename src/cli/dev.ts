import { type Gateway, startGateway } from "../app/gateway.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type DevBackend, startDevBackend } from "../dev/backend.ts";
import { DEV_ROUTES } from "../dev/user-api.ts";
import { reportFailure } from "./failure.ts";
import { abortStart, type ReloadSignals, stopSignal } from "./signals.ts";
import { createTelemetry } from "./telemetry.ts";

export const HELP = `usage: sallyport dev [--config FILE] [--set KEY=VALUE …]

Starts the gateway with an embedded backend, on loopback, for development. No settings are needed. It prints how to log in.
A new signing key is generated at every start. Users and sessions are kept in memory unless dev.database names a file.

  --config FILE     a file with settings in TOML, YAML or JSON; default: the variable SALLYPORT_CONFIG
  --set KEY=VALUE   one setting; overrides the file and the variables; repeatable

Example:

  sallyport dev --set edge.listen=127.0.0.1:9080 --set dev.database=dev.sqlite

SIGTERM or SIGINT (Ctrl-C) stops the gateway.`;

/** `sallyport dev`: runs the gateway with an embedded backend, for development. */
export async function run(args: readonly string[], reloads: ReloadSignals): Promise<number> {
  try {
    const load = () =>
      loadConfig({
        argv: args,
        overrides: { routes: DEV_ROUTES, "log.format": "pretty", "edge.grpc": "same-port", "reflection.enabled": true },
      });
    const config = load();
    const { log, metrics } = createTelemetry(config);
    await using undo = new AsyncDisposableStack();
    const stop = stopSignal(process.stdout.isTTY ? ON_TERMINAL : ELSEWHERE);
    const backend = await startDevBackend({
      restListen: config["dev.backend_listen"],
      pushListen: config["dev.push_listen"],
      hosts: config["admin.hosts"],
      database: config["dev.database"],
      log,
    });
    undo.defer(() => backend.stop());
    const wired = (each: Config) => ({ ...each, "backend.url": backend.restUrl, "push.url": backend.pushUrl });
    const gateway = await Promise.race([startGateway({ config: wired(config), log, metrics }), stop]);
    if (typeof gateway === "string") return await abortStart(gateway, log);
    console.log(howToTry(gateway, backend));
    reloads.start(() => gateway.reload(() => wired(load())));
    log.info("gateway stopping", { signal: await stop });
    await gateway.stop();
    await log.flush();
    return 0;
  } catch (error) {
    return reportFailure(error);
  }
}

const ELSEWHERE = ["SIGTERM", "SIGINT"] as const;
/** The signals that stop `sallyport dev` in a terminal. SIGHUP arrives when the terminal is closed. */
const ON_TERMINAL = [...ELSEWHERE, "SIGHUP"] as const;

function howToTry({ edgeUrl: edge, grpcUrl, adminUrl }: Gateway, { restUrl: rest, pushUrl }: DevBackend): string {
  return `
Sallyport is running with an embedded backend.

  edge       ${edge}   Connect and gRPC-Web, HTTP/1.1 and HTTP/2
  gRPC       ${grpcUrl}   gRPC, Connect and gRPC-Web, HTTP/2
  admin      ${adminUrl}   /healthz /readyz /metrics
  backend    ${rest}   REST, embedded
  push feed  ${pushUrl}   gRPC, embedded

To log in, request a code and read it from the outbox of the embedded backend:

  curl ${edge}/api/v1/public/auth/send-email-code -H 'content-type: application/json' -d '{"email":"ada@example.com"}'
  curl ${rest}/dev/outbox

The gateway's public keys:

  curl ${edge}/.well-known/jwks.json

To push an event or revoke a session, POST to ${rest}/dev/push or /dev/revoke. See proto/examples/README.md.
For an automatic demonstration, use bun run demo. Stop with Ctrl-C.
`;
}
