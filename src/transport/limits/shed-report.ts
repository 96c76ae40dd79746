import type { Log, Metrics } from "../../core/ports.ts";
import type { Bound } from "./load-shedding.ts";

export interface ShedReportParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly intervalMs?: number | undefined;
}

/** A flood is worth a line, and not one for each connection. */
const TELL_EVERY_MS = 10_000;
/** Networks that a line is chosen from. */
const TOLD_NETWORKS_MAX = 1000;

/** Counts the connections that are cut because there are too many, and tells of them: of the first at once, of the rest by and by. */
export class ShedReport {
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #intervalMs: number;
  /** What has been cut since it was last told of, by network. */
  readonly #untold = new Map<string, number>();
  #untoldCount = 0;
  #timer: Timer | undefined;

  constructor({ log, metrics, intervalMs = TELL_EVERY_MS }: ShedReportParts) {
    this.#log = log;
    this.#metrics = metrics;
    this.#intervalMs = intervalMs;
  }

  /** `network`: whom it counted for; `undefined` for one of a trusted proxy's. */
  readonly cut = (network: string | undefined, bound: Bound): void => {
    this.#metrics.count("sallyport_connections_cut_total", { bound });
    this.#untoldCount++;
    const name = network ?? "trusted proxies";
    const count = this.#untold.get(name) ?? 0;
    if (count > 0 || this.#untold.size < TOLD_NETWORKS_MAX) this.#untold.set(name, count + 1);
    if (this.#timer === undefined) this.#tell();
  };

  /** Tells what is left to tell, and of nothing more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#tell();
    clearTimeout(this.#timer);
  }

  #tell(): void {
    this.#timer = undefined;
    if (this.#untoldCount === 0) return;
    const [network, ofNetwork] = [...this.#untold].reduce((most, each) => (each[1] > most[1] ? each : most));
    this.#log.warn("connections: too many, cut", { cut: this.#untoldCount, most_of: network, of_that: ofNetwork });
    this.#untold.clear();
    this.#untoldCount = 0;
    this.#timer = setTimeout(() => this.#tell(), this.#intervalMs).unref();
  }
}
