import type { Clock } from "../core/clock.ts";
import type { Log, Metrics } from "../core/ports.ts";
import { type ConnectionLimits, connectionLimits } from "./connection-limits.ts";
import { EdgeConnections } from "./edge-connections.ts";
import type { Bound } from "./excess.ts";
import { openOwnSockets } from "./own-sockets.ts";
import type { PeerResolver } from "./peer-address.ts";

export interface SweepParts {
  readonly peers: PeerResolver;
  readonly limits?: Partial<ConnectionLimits> | undefined;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** A flood of ten thousand connections a second is met within the files that are kept for the rest (app/open-files.ts). */
const LOOK_EVERY_MS = 50;
/** Half a millisecond's work. Who left is found within a quarter of a second among some 2500 files, and within two among 20,000. */
const FILES_PER_LOOK = 512;
const LOOKS_PER_PASS_MIN = 5;
/** A flood is worth a line, and not one every look. */
const TELL_EVERY_MS = 10_000;
/** Networks that a line is chosen from. */
const TOLD_NETWORKS_MAX = 1000;

/**
 * Bounds the connections of a port that the runtime accepts by itself: looks at the process's own files every so often, and shuts down the
 * connections over the bounds, which the runtime takes for clients that left. Throws where the system does not let it.
 */
export function sweepConnections(port: number, parts: SweepParts): { stop(): void } {
  const { peers } = parts;
  const sockets = openOwnSockets(port);
  const networkOf = (address: string) => (peers.isTrusted(address) ? undefined : peers.resolve(address, () => null).network);
  const sweep = new ConnectionSweep(new EdgeConnections(sockets, networkOf), parts);
  const timer = setInterval(() => sweep.look(), LOOK_EVERY_MS).unref();
  return {
    stop() {
      clearInterval(timer);
      sockets.close();
    },
  };
}

/** The looks, one after the other. */
export class ConnectionSweep {
  readonly #connections: EdgeConnections;
  readonly #parts: SweepParts;
  readonly #limits: ConnectionLimits;
  /** Of the files that all listeners share: those of the edge at the last look. */
  #files = 0;
  #looksOfPass = 0;
  #isPassOver = false;
  /** What has been cut since it was last told of, by network. */
  readonly #untold = new Map<string, number>();
  #untoldCount = 0;
  #tellAtMs = Number.NEGATIVE_INFINITY;

  constructor(connections: EdgeConnections, parts: SweepParts) {
    this.#connections = connections;
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
  }

  look(): void {
    this.#connections.lookAtNew();
    this.#lookOn();
    this.#countFiles();
    const { totalMax, perNetworkMax, files } = this.#limits;
    const bounds = { perNetworkMax, totalMax: Math.min(totalMax, this.#files + files.left) };
    this.#connections.cutExcess(bounds, (network, bound) => this.#cut(network, bound));
    this.#countFiles();
    this.#tell();
  }

  /** On with the pass, or with the next when it is time for it. */
  #lookOn(): void {
    if (this.#isPassOver && ++this.#looksOfPass < LOOKS_PER_PASS_MIN) return;
    if (this.#isPassOver) this.#looksOfPass = 0;
    else this.#looksOfPass++;
    this.#isPassOver = this.#connections.lookOn(FILES_PER_LOOK);
  }

  #countFiles(): void {
    const { size } = this.#connections;
    this.#limits.files.replace(this.#files, size);
    this.#files = size;
    this.#parts.metrics.gauge("sallyport_edge_connections", size);
  }

  #cut(network = "trusted proxies", bound: Bound): void {
    this.#parts.metrics.count("sallyport_edge_connections_cut_total", { bound });
    this.#untoldCount++;
    const count = this.#untold.get(network) ?? 0;
    if (count > 0 || this.#untold.size < TOLD_NETWORKS_MAX) this.#untold.set(network, count + 1);
  }

  #tell(): void {
    const nowMs = this.#parts.clock.monotonic();
    if (this.#untoldCount === 0 || nowMs < this.#tellAtMs) return;
    const [network, ofNetwork] = [...this.#untold].reduce((most, each) => (each[1] > most[1] ? each : most));
    const fields = { cut: this.#untoldCount, most_of: network, of_that: ofNetwork, open: this.#connections.size };
    this.#parts.log.warn("edge: too many connections, cut", fields);
    this.#untold.clear();
    this.#untoldCount = 0;
    this.#tellAtMs = nowMs + TELL_EVERY_MS;
  }
}
