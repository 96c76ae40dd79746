import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import { OWN_USER_AGENT } from "../rest/command-headers.ts";
import { ConcurrencyLimiter } from "../rest/concurrency-limiter.ts";
import type { Credentials } from "./credentials.ts";
import type { HealthSettings } from "./settings.ts";
import type { UpstreamAddress } from "./upstream-address.ts";
import { Connection } from "./upstream-connection.ts";

export interface HealthCheckOptions {
  readonly upstream: string;
  readonly settings: HealthSettings;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when `address.isHealthy` has changed. */
  readonly onChange: () => void;
}

/** Maximum number of concurrent health checks: 8 of the 256 fetches that Bun runs at a time. */
export const HEALTH_CALLS_MAX = 8;
const limiter = new ConcurrencyLimiter(HEALTH_CALLS_MAX, 4096);

/**
 * Sends a request to one address at each interval. A check succeeds only if the answer has status 200. A new address counts as
 * healthy. It becomes unhealthy after `unhealthyThreshold` failed checks in a row. It becomes healthy again after
 * `healthyThreshold` successful checks in a row.
 */
export class HealthCheck {
  readonly #address: UpstreamAddress;
  readonly #options: HealthCheckOptions;
  #connection: Connection | undefined;
  #timer: Timer | undefined;
  #isStopped = false;
  /** Number of checks in a row whose result contradicts `address.isHealthy`. */
  #contradictions = 0;

  constructor(address: UpstreamAddress, options: HealthCheckOptions) {
    this.#address = address;
    this.#options = options;
    // The first check starts in a microtask, so that the caller can still call `stop` before any request is sent.
    queueMicrotask(() => void this.#check());
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  async #check(): Promise<void> {
    if (this.#isStopped) return;
    const isHealthy = await this.#ask();
    if (this.#isStopped) return;
    this.#record(isHealthy);
    this.#timer = setTimeout(() => void this.#check(), this.#options.settings.intervalMs).unref();
  }

  async #ask(): Promise<boolean> {
    const { settings, credentials } = this.#options;
    const signal = AbortSignal.timeout(settings.timeoutMs);
    let hasPermit = false;
    try {
      hasPermit = await limiter.acquire(signal);
      if (!hasPermit) return false;
      return (await this.#connect(credentials).status(settings.path, { "User-Agent": OWN_USER_AGENT }, signal)) === 200;
    } catch {
      return false;
    } finally {
      if (hasPermit) limiter.release();
    }
  }

  /** Returns the connection for the checks. If the credentials have changed, closes the old connection and opens a new one. */
  #connect(credentials: Credentials): Connection {
    const current = credentials.current;
    if (this.#connection?.identity !== current) {
      this.#connection?.close();
      this.#connection = new Connection(this.#address, current);
    }
    return this.#connection;
  }

  #record(isHealthy: boolean): void {
    const { settings, upstream, clock, log, onChange } = this.#options;
    const address = this.#address;
    this.#contradictions = isHealthy === address.isHealthy ? 0 : this.#contradictions + 1;
    const threshold = isHealthy ? settings.healthyThreshold : settings.unhealthyThreshold;
    if (this.#contradictions === 0 || this.#contradictions < threshold) return;
    this.#contradictions = 0;
    address.isHealthy = isHealthy;
    if (isHealthy) address.usableSinceMs = clock.monotonic();
    const fields = { upstream, address: address.hostAndPort };
    if (isHealthy) log.info("upstream address healthy", fields);
    else log.warn("upstream address unhealthy", { ...fields, path: settings.path, failed_health_checks: threshold });
    onChange();
  }
}
