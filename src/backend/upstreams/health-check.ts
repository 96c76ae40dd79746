import { describeCause } from "../../core/cause.ts";
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
const NO_ANSWER = "no answer within backend.health.timeout_ms";
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
    const problem = await this.#problem();
    if (this.#isStopped) return;
    this.#record(problem);
    this.#timer = setTimeout(() => void this.#check(), this.#options.settings.intervalMs).unref();
  }

  /** Sends one check. Resolves to `undefined` if the address is healthy, else to the problem. */
  async #problem(): Promise<string | undefined> {
    const { settings, credentials } = this.#options;
    const signal = AbortSignal.timeout(settings.timeoutMs);
    let hasPermit = false;
    try {
      hasPermit = await limiter.acquire(signal);
      if (!hasPermit) return NO_ANSWER;
      const status = await this.#connect(credentials).status(settings.path, { "User-Agent": OWN_USER_AGENT }, signal);
      return status === 200 ? undefined : `HTTP ${status}`;
    } catch (error) {
      return signal.aborted ? NO_ANSWER : describeCause(error);
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

  #record(problem: string | undefined): void {
    const isHealthy = problem === undefined;
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
    else
      log.warn("upstream address unhealthy", {
        ...fields,
        path: settings.path,
        failed_health_checks: threshold,
        cause: problem,
      });
    onChange();
  }
}
