import type { Metrics } from "../../core/ports.ts";
import { openFdTable } from "../linux/fd-table.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import { type ConnectionLimits, connectionLimits } from "./connection-limits.ts";
import { EdgeConnections } from "./edge-connections.ts";

export interface SweepParts {
  readonly peers: PeerResolver;
  readonly limits?: Partial<ConnectionLimits> | undefined;
  readonly metrics: Metrics;
}

/** A flood of ten thousand connections a second is met within the files that are kept for the rest (app/open-files.ts). */
const LOOK_EVERY_MS = 50;
/** Half a millisecond's work. Who left is found within a quarter of a second among some 2500 files, and within some two or three among 20,000. */
const FILES_PER_LOOK = 512;
const LOOKS_PER_PASS_MIN = 5;

/**
 * Bounds the connections of a port that the runtime accepts by itself: looks at the process's own files every so often, and shuts down the
 * connections over the bounds, which the runtime takes for clients that left. Throws where the system does not let it.
 */
export function sweepConnections(port: number, parts: SweepParts): { stop(): void } {
  const sockets = openFdTable(port);
  const connections = new EdgeConnections(sockets, (address) => parts.peers.networkOf(address));
  const sweep = new ConnectionSweep(connections, parts);
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

  constructor(connections: EdgeConnections, parts: SweepParts) {
    this.#connections = connections;
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
  }

  look(): void {
    this.#connections.scanNew();
    this.#scanNext();
    this.#countFiles();
    const { totalMax, perNetworkMax, files } = this.#limits;
    const bounds = { perNetworkMax, totalMax: Math.min(totalMax, this.#files + files.left) };
    this.#connections.shedExcess(bounds, this.#limits.onShed);
    this.#countFiles();
  }

  /** On with the pass, or with the next when it is time for it. */
  #scanNext(): void {
    if (this.#isPassOver && ++this.#looksOfPass < LOOKS_PER_PASS_MIN) return;
    if (this.#isPassOver) this.#looksOfPass = 0;
    else this.#looksOfPass++;
    this.#isPassOver = this.#connections.scanNext(FILES_PER_LOOK);
  }

  #countFiles(): void {
    const { size } = this.#connections;
    this.#limits.files.replace(this.#files, size);
    this.#files = size;
    this.#parts.metrics.gauge("sallyport_edge_connections", size);
  }
}
