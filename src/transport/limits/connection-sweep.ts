import type { Metrics } from "../../core/telemetry.ts";
import { openFdTable } from "../linux/fd-table.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import { type ConnectionLimits, connectionLimits } from "./connection-limits.ts";
import { EdgeConnections } from "./edge-connections.ts";

export interface SweepParts {
  readonly peers: PeerResolver;
  readonly limits?: Partial<ConnectionLimits> | undefined;
  readonly metrics: Metrics;
}

/** At 10,000 new connections per second, those between two sweeps fit into the reserved descriptors (app/open-files.ts). */
const SWEEP_INTERVAL_MS = 50;
/** Takes half a millisecond. A closed connection is noticed within 0.25 s among 2500 descriptors, and within 2 to 3 s among 20,000. */
const FDS_PER_SWEEP = 512;
const SWEEPS_PER_PASS_MIN = 5;

/**
 * Bounds the connections of a port on which the runtime accepts by itself. Reads the process's fd table at an interval, and calls
 * shutdown(2) on the connections over a limit; the runtime then sees a client that disconnected. Throws if the system does not support it.
 */
export function sweepConnections(port: number, parts: SweepParts): { stop(): void } {
  const fdTable = openFdTable(port);
  const connections = new EdgeConnections(fdTable, (address) => parts.peers.networkOf(address));
  const sweep = new ConnectionSweep(connections, parts);
  const timer = setInterval(() => sweep.sweep(), SWEEP_INTERVAL_MS).unref();
  return {
    stop() {
      clearInterval(timer);
      fdTable.close();
    },
  };
}

/** Finds new and closed connections of the edge, and closes those over a limit. */
export class ConnectionSweep {
  readonly #connections: EdgeConnections;
  readonly #parts: SweepParts;
  readonly #limits: ConnectionLimits;
  /** What the edge held of the shared fd budget at the last sweep. */
  #fds = 0;
  #sweepsOfPass = 0;
  #isPassOver = false;

  constructor(connections: EdgeConnections, parts: SweepParts) {
    this.#connections = connections;
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
  }

  sweep(): void {
    this.#connections.scanNew();
    this.#scanNext();
    this.#countFds();
    const { totalMax, perNetworkMax, fds } = this.#limits;
    const bounds = { perNetworkMax, totalMax: Math.min(totalMax, this.#fds + fds.left) };
    this.#connections.shedExcess(bounds, this.#limits.onShed);
    this.#countFds();
  }

  /** Continues the pass over all fds, or starts the next one, at most one per `SWEEPS_PER_PASS_MIN` sweeps. */
  #scanNext(): void {
    if (this.#isPassOver && ++this.#sweepsOfPass < SWEEPS_PER_PASS_MIN) return;
    if (this.#isPassOver) this.#sweepsOfPass = 0;
    else this.#sweepsOfPass++;
    this.#isPassOver = this.#connections.scanNext(FDS_PER_SWEEP);
  }

  #countFds(): void {
    const { size } = this.#connections;
    this.#limits.fds.replace(this.#fds, size);
    this.#fds = size;
    this.#parts.metrics.gauge("sallyport_edge_connections", size);
  }
}
