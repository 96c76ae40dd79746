import type { Clock } from "../../core/clock.ts";
import type { Prepared } from "../../core/reload.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { Credentials, type Identity } from "./credentials.ts";
import type { PoolName, UpstreamRow, UpstreamSettings } from "./settings.ts";
import { Upstream } from "./upstream.ts";
import { UpstreamPool } from "./upstream-pool.ts";

export interface UpstreamsParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The first credentials. If they are missing, they are read from the files of the settings. */
  readonly credentials?: Identity | undefined;
}

/**
 * The backend's addresses, and the pools of calls to them. The pools share the addresses, the health checks, the TLS files and
 * the gateway's token for the backend.
 */
export class Upstreams {
  readonly #parts: Omit<UpstreamsParts, "credentials">;
  readonly #credentials: Credentials;
  readonly #pools: UpstreamPool[] = [];
  #settings: UpstreamSettings;
  #rows: readonly UpstreamRow[] = [];
  #upstreams: readonly Upstream[] = [];
  #sweepTimer: Timer | undefined;

  /** Throws `TlsFilesError` if a file of the credentials cannot be read or used. */
  constructor(settings: UpstreamSettings, { credentials, ...parts }: UpstreamsParts) {
    this.#parts = parts;
    this.#settings = settings;
    this.#credentials = new Credentials(settings.credentials, parts.log, () => this.#changed(), credentials);
    this.#open(settings, true);
  }

  get settings(): UpstreamSettings {
    return this.#settings;
  }

  get all(): readonly Upstream[] {
    return this.#upstreams;
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /** Opens a pool of calls. `callsMax` is the maximum number of its concurrent calls. */
  pool(name: PoolName, callsMax: number, responseBytesMax: number): UpstreamPool {
    const pool = new UpstreamPool(this, { ...this.#parts, name, callsMax, responseBytesMax });
    this.#pools.push(pool);
    return pool;
  }

  /** Applies new settings; see `prepare`. If `prepare` throws `TlsFilesError`, nothing changes. */
  adopt(settings: UpstreamSettings): void {
    this.prepare(settings).commit();
  }

  /**
   * Throws `TlsFilesError` if a file of the credentials cannot be read or used. The commit applies the settings.
   * Running calls continue. Addresses that are also in the new settings keep their connections, ejections and failure counts.
   */
  prepare(settings: UpstreamSettings): Prepared {
    const credentials = this.#credentials.prepare(settings.credentials);
    return {
      ...credentials,
      commit: () => {
        credentials.commit();
        this.#use(settings);
      },
    };
  }

  #use(settings: UpstreamSettings): void {
    const { dns, health } = this.#settings;
    const isSame = Bun.deepEquals({ dns, health }, { dns: settings.dns, health: settings.health });
    this.#settings = settings;
    this.#open(settings, !isSame);
    this.#changed();
  }

  /** Resolves when the first DNS look-up of each upstream has ended. */
  async ready(): Promise<void> {
    await Promise.all(this.#upstreams.map(({ ready }) => ready));
  }

  /** Updates the gauges of the pools in `names`. If `names` is missing, updates all pools. Call this before each scrape. */
  sample(names?: readonly PoolName[]): void {
    for (const pool of this.#pools) if (names?.includes(pool.name) ?? true) pool.sample();
  }

  /** Closes the idle connections, and stops DNS look-ups and health checks. */
  close(): void {
    clearInterval(this.#sweepTimer);
    this.#credentials.stop();
    for (const upstream of this.#upstreams) upstream.stop();
    for (const pool of this.#pools) pool.close();
  }

  /** Opens the upstreams of the settings. Unless `isForced`, keeps the open upstreams whose name and URL are the same. */
  #open(settings: UpstreamSettings, isForced: boolean): void {
    const before = new Map(this.#rows.map((row, at) => [`${row.name} ${row.url}`, this.#upstreams[at]]));
    const parts = { ...this.#parts, credentials: this.#credentials, onChange: () => this.#changed() };
    this.#upstreams = settings.rows.map((row) => {
      const previous = before.get(`${row.name} ${row.url}`);
      if (previous === undefined || isForced) return new Upstream(row, settings, parts, previous);
      previous.weight = row.weight;
      return previous;
    });
    for (const upstream of before.values()) if (upstream && !this.#upstreams.includes(upstream)) upstream.stop();
    this.#rows = settings.rows;
    clearInterval(this.#sweepTimer);
    this.#sweepTimer = setInterval(() => this.#sweep(), settings.outlier.intervalMs).unref();
  }

  #sweep(): void {
    for (const pool of this.#pools) pool.sweep();
  }

  #changed(): void {
    for (const pool of this.#pools) pool.refresh();
  }
}
