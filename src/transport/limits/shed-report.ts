import type { Log, Metrics } from "../../core/telemetry.ts";
import type { ConnectionBound } from "./load-shedding.ts";

export interface ShedReportParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly intervalMs?: number | undefined;
}

/** One log line per interval, not one per connection. */
const REPORT_INTERVAL_MS = 10_000;
/** Networks that are counted for a log line. */
const NETWORKS_MAX = 1000;

/** Counts the connections that are closed because a limit is exceeded. Logs the first immediately, and then a summary per interval. */
export class ShedReport {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #intervalMs: number;
  /** By network: connections closed since the last log line. */
  readonly #closedByNetwork = new Map<string, number>();
  #closed = 0;
  #timer: Timer | undefined;

  constructor({ log, metrics, intervalMs = REPORT_INTERVAL_MS }: ShedReportParts) {
    this.#log = log;
    this.#metrics = metrics;
    this.#intervalMs = intervalMs;
  }

  /** `network`: `undefined` for a trusted proxy's connection. */
  readonly shed = (network: string | undefined, bound: ConnectionBound): void => {
    this.#metrics.count("sallyport_connections_cut_total", { bound });
    this.#closed++;
    const name = network ?? "trusted proxies";
    const count = this.#closedByNetwork.get(name) ?? 0;
    if (count > 0 || this.#closedByNetwork.size < NETWORKS_MAX) this.#closedByNetwork.set(name, count + 1);
    if (this.#timer === undefined) this.#report();
  };

  /** Logs what is not logged yet, and stops. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#report();
    clearTimeout(this.#timer);
  }

  #report(): void {
    this.#timer = undefined;
    if (this.#closed === 0) return;
    const [network, ofNetwork] = [...this.#closedByNetwork].reduce((most, each) => (each[1] > most[1] ? each : most));
    const fields = { closed: this.#closed, top_network: network, top_network_closed: ofNetwork };
    this.#log.warn("connection limit exceeded", fields);
    this.#closedByNetwork.clear();
    this.#closed = 0;
    this.#timer = setTimeout(() => this.#report(), this.#intervalMs).unref();
  }
}
