import type { Log, Metrics } from "../../core/telemetry.ts";
import type { ConnectionBound } from "./load-shedding.ts";

export interface ShedReportParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly intervalMs?: number | undefined;
}

/** Minimum time between two log lines about closed connections, in ms. */
const REPORT_INTERVAL_MS = 10_000;
/** Maximum number of networks that are counted separately for one log line. Further networks count only towards the total. */
const NETWORKS_MAX = 1000;

/**
 * Counts the connections that are closed because a limit is exceeded, and logs them. The first closed connection is logged
 * immediately. After that, one summary line is logged at the end of each interval in which connections were closed.
 */
export class ShedReport {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #intervalMs: number;
  /** Number of connections closed since the last log line, by network. */
  readonly #closedByNetwork = new Map<string, number>();
  #closed = 0;
  #timer: Timer | undefined;

  constructor({ log, metrics, intervalMs = REPORT_INTERVAL_MS }: ShedReportParts) {
    this.#log = log;
    this.#metrics = metrics;
    this.#intervalMs = intervalMs;
  }

  /** Counts one closed connection. `network` is `undefined` for a connection of a trusted proxy. */
  readonly shed = (network: string | undefined, bound: ConnectionBound): void => {
    this.#metrics.count("sallyport_connections_cut_total", { bound });
    this.#closed++;
    const name = network ?? "trusted proxies";
    const count = this.#closedByNetwork.get(name) ?? 0;
    if (count > 0 || this.#closedByNetwork.size < NETWORKS_MAX) this.#closedByNetwork.set(name, count + 1);
    if (this.#timer === undefined) this.#report();
  };

  /** Logs the closed connections that are not logged yet, and stops the timer. */
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
