import { embeddedBackendOptions, warnOfUnused, withEmbeddedBackend } from "../app/embedded-backend.ts";
import { type Gateway, startGateway } from "../app/gateway.ts";
import { createTelemetry } from "../app/telemetry.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import { EMAIL_LOGIN } from "../core/public-routes.ts";
import type { Log } from "../core/telemetry.ts";
import { GUEST_LOGIN } from "../dev/auth-api.ts";
import { type DevBackend, startDevBackend } from "../dev/backend.ts";
import { playgroundEndpoints } from "../dev/playground/page-endpoints.ts";
import { type PageFile, pageFiles } from "../dev/playground/page-files.ts";
import type { DevSetup } from "../dev/playground/setup.ts";
import { DEV_ROUTES } from "../dev/user-api.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { reportFailure } from "./failure.ts";
import { gatewayFacts } from "./playground.ts";
import { RestartableGateway, type StartGateway } from "./restartable-gateway.ts";
import { abortStart, type HeldSignals, stopSignal } from "./signals.ts";

export const HELP = `usage: sallyport dev [--config FILE] [--set KEY=VALUE …]

Starts the gateway with an embedded backend, on loopback, for development. No settings are needed. It prints how to log in.
The playground, a page at / of the edge, logs in, sends commands and shows each check.
A new signing key is generated at every start. Users and sessions are kept in memory unless dev.database names a file.
It has one process, which is restarted and not upgraded. The log names the settings that are given and not used.

  --config FILE     a file with settings in TOML, YAML or JSON; default: the variable SALLYPORT_CONFIG
  --set KEY=VALUE   one setting; overrides the file and the variables; repeatable

Example:

  sallyport dev --set edge.listen=127.0.0.1:9080 --set dev.database=dev.sqlite

SIGTERM or SIGINT (Ctrl-C) stops the gateway.`;

/** `sallyport dev`: runs the gateway with an embedded backend, for development. */
export async function run(args: readonly string[], { reloads, upgrades }: HeldSignals): Promise<number> {
  try {
    const load = () =>
      loadConfig({
        argv: args,
        overrides: { routes: DEV_ROUTES, public_routes: [...EMAIL_LOGIN, GUEST_LOGIN], ...DEFAULTS },
      });
    const config = load();
    const { log, metrics } = createTelemetry(config);
    warnOfUnused(config, log);
    await using undo = new AsyncDisposableStack();
    const stop = stopSignal(process.stdout.isTTY ? ON_TERMINAL : ELSEWHERE);
    const backend = await startDevBackend({ ...embeddedBackendOptions(config), log });
    undo.defer(() => backend.stop());
    const wired = (each: Config) => withEmbeddedBackend(each, backend);
    const start = starter({ backend, log, metrics, page: config["playground.enabled"] ? await pageFiles() : undefined });
    const gateway = await Promise.race([RestartableGateway.start(wired(config), start, log), stop]);
    if (typeof gateway === "string") return await abortStart(gateway, log);
    console.log(howToTry(gateway.gateway, backend, config));
    reloads.start(() => void gateway.reload(() => wired(load())));
    upgrades.start(() => log.warn("upgrade refused", { cause: NOT_UPGRADED }));
    log.info("gateway stopping", { signal: await Promise.race([stop, gateway.failed]) });
    await gateway.stop();
    await log.flush();
    return 0;
  } catch (error) {
    return reportFailure(error, "; is another sallyport dev running?");
  }
}

const NOT_UPGRADED = "sallyport dev has one process and cannot be upgraded: restart it instead";

/** The defaults of `sallyport dev` that differ from those of the schema. */
const DEFAULTS = {
  "log.format": "pretty",
  "edge.grpc": "same-port",
  "reflection.enabled": true,
  "playground.enabled": true,
} as const satisfies Partial<Config>;

/** Keeps the checkpoint of the push feed in memory. Memory is enough, because `sallyport dev` restarts its gateway in-process. */
class MemoryCheckpoint implements FeedCheckpointStore {
  #checkpoint: FeedCheckpoint | undefined;

  load(): FeedCheckpoint | undefined {
    return this.#checkpoint;
  }

  save(checkpoint: FeedCheckpoint): void {
    this.#checkpoint = checkpoint;
  }
}

interface StarterParts {
  readonly backend: DevBackend;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  /** The files of the playground. `undefined` if the playground is off. */
  readonly page: readonly PageFile[] | undefined;
}

/**
 * Returns a function that starts a gateway. All gateways that the returned function starts share one checkpoint of the push feed.
 * So clients can resume after a restart of the gateway.
 */
function starter({ backend, log, metrics, page }: StarterParts): StartGateway {
  const checkpoints = new MemoryCheckpoint();
  return (config, restart) => {
    const calls = { setup: setupOf(config), backend: backend.devEndpoints, restart, log };
    const endpoints = page === undefined ? [] : playgroundEndpoints(page, gatewayFacts(config), calls);
    const upgrade = async () => ({ kind: "refused", problem: NOT_UPGRADED }) as const;
    return startGateway({ config, log, metrics, checkpoints, endpoints, upgrade });
  };
}

function setupOf(config: Config): DevSetup {
  const budget = (scope: "ip" | "session" | "user") => ({
    rate: config[`budgets.${scope}.rate`],
    burst: config[`budgets.${scope}.burst`],
  });
  return {
    routes: config.routes.map(({ message_type, method, path }) => ({ message_type, method, path })),
    freshness_window_ms: config["freshness.window_ms"],
    freshness_margin_ms: config["freshness.margin_ms"],
    budgets: { ip: budget("ip"), session: budget("session"), user: budget("user") },
  };
}

const ELSEWHERE = ["SIGTERM", "SIGINT"] as const;
/** The signals that stop `sallyport dev` in a terminal. SIGHUP arrives when the terminal is closed. */
const ON_TERMINAL = [...ELSEWHERE, "SIGHUP"] as const;

const FORGETFUL = `Users and sessions end with this process: log in again after SESSION_NOT_FOUND. To keep them, --set dev.database=FILE.
`;

function howToTry(
  { edgeUrl: edge, grpcUrl, adminUrl }: Gateway,
  { restUrl: rest, pushUrl }: DevBackend,
  config: Config,
): string {
  const playground = config["playground.enabled"]
    ? `\nOpen ${edge}/ in a browser: the playground logs in, sends commands, and shows each check.\n`
    : "";
  return `
Sallyport is running with an embedded backend.

  edge       ${edge}   Connect and gRPC-Web, HTTP/1.1 and HTTP/2
  gRPC       ${grpcUrl}   gRPC, Connect and gRPC-Web, HTTP/2
  admin      ${adminUrl}   /healthz /readyz /metrics
  backend    ${rest}   REST, embedded
  push feed  ${pushUrl}   gRPC, embedded
${playground}
To log in, request a code and read it from the outbox of the embedded backend:

  curl ${edge}/api/v1/public/auth/send-email-code -H 'content-type: application/json' -d '{"email":"dev@example.com"}'
  curl ${rest}/dev/outbox

To log in as a guest, without a code:

  sallyport login --url ${edge} --guest

Message types: ${config.routes.map(({ message_type }) => message_type).join(", ")}
${config["dev.database"] === ":memory:" ? FORGETFUL : ""}
The gateway's public keys:

  curl ${edge}/.well-known/jwks.json

To push an event or revoke a session, POST to ${rest}/dev/push or /dev/revoke. See proto/examples/README.md.
For an automatic demonstration, use bun run demo. Stop with Ctrl-C.
`;
}
