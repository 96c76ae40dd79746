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

/**
 * Interval between two sweeps, in ms. A sweep looks for new connections. At 10,000 new connections per second, 500 connections
 * are accepted between two sweeps. They fit into the 512 file descriptors that app/open-files.ts reserves.
 */
const SWEEP_INTERVAL_MS = 50;
/**
 * Number of file descriptors that one sweep inspects, which takes about 0.5 ms. A complete scan of all descriptors (a pass)
 * takes several sweeps: 2 to 3 s with 20,000 descriptors. A closed connection is noticed within one pass.
 */
const FDS_PER_SWEEP = 512;
/**
 * Minimum number of sweeps per pass. A pass is one complete scan of all descriptors. With up to 2500 descriptors, a pass thus
 * starts every 0.25 s.
 */
const SWEEPS_PER_PASS_MIN = 5;

/**
 * Limits the connections of a port on which the runtime accepts connections without calling the gateway.
 *
 * Each sweep reads the fd table of the process, and calls shutdown(2) for each connection over a limit. The runtime then closes
 * the connection, as if the client had disconnected. Throws if the system is not Linux, or lacks SO_COOKIE or /proc.
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

/** Finds new and closed connections of the edge, and closes connections that exceed a limit. */
export class ConnectionSweep {
  readonly #connections: EdgeConnections;
  readonly #parts: SweepParts;
  readonly #limits: ConnectionLimits;
  /** Number of fds that the edge's connections took from the shared budget in the last sweep. */
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
    const { totalMax, perNetworkMax, fds } = this.#limits;
    const bounds = { perNetworkMax, totalMax: Math.min(totalMax, this.#fds + fds.left) };
    this.#connections.shedExcess(bounds, this.#limits.onShed);
    this.#countFds();
  }

  /** Continues the current pass, which is one scan of all fds. Starts at most one pass per `SWEEPS_PER_PASS_MIN` sweeps. */
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
