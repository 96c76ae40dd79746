import type { Gateway } from "../app/gateway.ts";
import type { Load } from "../app/reload.ts";
import type { Config } from "../config/schema.ts";
import { type ListenAddress, ListenError } from "../core/listen.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import type { Log } from "../core/telemetry.ts";

/** Starts a gateway with this configuration. `restart` restarts the gateway, and may be called at any time. */
export type StartGateway = (config: Config, restart: () => void) => Promise<Gateway>;

/** Maximum number of attempts to open the ports at a restart. An attempt fails if another process uses a port for a moment. */
const ATTEMPTS_MAX = 20;
const RETRY_MS = 100;

/**
 * A gateway that can restart within its process, on the same ports and with the same signing keys. Its clients see a short
 * outage and then resume their streams.
 */
export class RestartableGateway {
  readonly #start: (config: Config) => Promise<Gateway>;
  readonly #log: Log;
  /** The configuration of the next start. */
  #config: Config;
  readonly #failure = Promise.withResolvers<never>();
  #running: Gateway;
  #restarting: Promise<void> | undefined;
  #isStopping = false;

  private constructor(config: Config, running: Gateway, start: (config: Config) => Promise<Gateway>, log: Log) {
    this.#config = withPorts(config, running);
    this.#running = running;
    this.#start = start;
    this.#log = log;
    // Without this handler, a failed restart is an unhandled rejection if nobody waits for `failed`.
    this.failed.catch(() => {});
  }

  /** Starts the gateway for the first time. Rejects if this fails. */
  static async start(config: Config, start: StartGateway, log: Log): Promise<RestartableGateway> {
    let restartable: RestartableGateway | undefined;
    const startOne = (each: Config) => start(each, () => void restartable?.restart());
    const keyed = withKey(config);
    restartable = new RestartableGateway(keyed, await startOne(keyed), startOne, log);
    return restartable;
  }

  get gateway(): Gateway {
    return this.#running;
  }

  /** A promise that rejects with the error of a failed restart and never resolves. After the failure, the gateway is stopped. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /**
   * Stops the gateway and starts it again. If a restart is already running, waits for it instead. After `stop`, does nothing.
   */
  restart(): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** Waits for the end of a running restart, then stops the gateway. Resolves to the result of `Gateway.stop`. */
  async stop(): Promise<boolean> {
    this.#isStopping = true;
    await this.#restarting;
    return this.#running.stop();
  }

  /** Like `Gateway.reload`. The next restart applies all settings of the new configuration, except the signing key. */
  async reload(load: Load): Promise<ReloadOutcome> {
    const keptKey = { "keys.current": this.#config["keys.current"], "keys.current_file": this.#config["keys.current_file"] };
    let loaded: Config | undefined;
    const outcome = await this.#running.reload(async () => {
      loaded = withPorts({ ...(await load()), ...keptKey }, this.#running);
      return loaded;
    });
    if (outcome.kind === "reloaded" && loaded !== undefined) this.#config = loaded;
    return outcome;
  }

  async #restart(): Promise<void> {
    this.#log.info("gateway restarting");
    await this.#running.stop();
    try {
      this.#running = await this.#startAgain();
    } catch (error) {
      this.#failure.reject(error);
    }
  }

  async #startAgain(): Promise<Gateway> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#start(this.#config);
      } catch (error) {
        if (!(error instanceof ListenError) || attempt === ATTEMPTS_MAX) throw error;
        await Bun.sleep(RETRY_MS);
      }
    }
  }
}

/** Adds a random signing key if none is configured. Without it, each start would use another key, and no client could resume. */
function withKey(config: Config): Config {
  if (config["keys.current"] !== undefined || config["keys.current_file"] !== undefined) return config;
  return { ...config, "keys.current": Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64") };
}

/** Port 0 lets the system choose a port at the first start. Later starts use the chosen ports. */
function withPorts(config: Config, { edgeUrl, grpcUrl, adminUrl }: Gateway): Config {
  const chosen = (listen: ListenAddress, url: string) =>
    listen.port === 0 ? { ...listen, port: Number(new URL(url).port) } : listen;
  return {
    ...config,
    "edge.listen": chosen(config["edge.listen"], edgeUrl),
    "grpc.listen": chosen(config["grpc.listen"], grpcUrl),
    "admin.listen": chosen(config["admin.listen"], adminUrl),
  };
}
