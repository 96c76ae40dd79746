import type { ListenAddress } from "../../core/listen.ts";
import type { Metrics } from "../../core/telemetry.ts";
import { type FdTable, openFdTable } from "../linux/fd-table.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import { type ConnectionLimits, connectionLimits } from "./connection-limits.ts";
import { EdgeConnections } from "./edge-connections.ts";
import { HostShedding } from "./host-shedding.ts";

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
 * Maximum number of sweeps for one pass while no connection opens or closes. A pass is one complete scan of all descriptors. 120
 * sweeps take 6 s, so a closed connection is noticed within 6 s. A shorter pass would take more CPU time, because the inspection of
 * a descriptor takes 1 to 2 µs.
 */
const SWEEPS_PER_PASS_AT_REST = 120;
const FDS_PER_SWEEP_MIN = 32;
/** Maximum number of descriptors that a sweep inspects. At this maximum, a pass over 20,000 descriptors takes 2 to 3 s. */
const FDS_PER_SWEEP_MAX = 512;
/** For each connection that opens or closes, the next sweeps inspect this many additional descriptors in all. */
const FDS_PER_CHANGE = 64;
/** Maximum of `#fdsDue`. The sweeps inspect this number of descriptors in about 2 s. */
const FDS_DUE_MAX = 40 * FDS_PER_SWEEP_MAX;
/** Minimum number of sweeps from the start of a pass to the start of the next one. So a pass starts at most once in 0.25 s. */
const SWEEPS_PER_PASS_MIN = 5;

/**
 * Limits the open connections of `address`. The runtime accepts these connections without calling the gateway.
 *
 * Each sweep reads the fd table of the process, and calls shutdown(2) for each connection over a limit. The runtime then closes
 * the connection, as if the client had disconnected. Throws if the system is not Linux, or lacks SO_COOKIE or /proc.
 */
export function sweepConnections(address: ListenAddress, parts: SweepParts): { stop(): void } {
  const fdTable = openFdTable(address);
  const sweep = new ConnectionSweep(fdTable, parts);
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
  /** Enforces the limits over all processes of the gateway; `undefined` if they do not share `ConnectionLimits.counts`. */
  readonly #hostShedding: HostShedding | undefined;
  readonly #parts: SweepParts;
  readonly #limits: ConnectionLimits;
  /** Number of fds that the edge's connections held after the last sweep. `ConnectionLimits.fds` counts them as used. */
  #fds = 0;
  #sweepsOfPass = 0;
  #isPassOver = false;
  #seenChanges = 0;
  /** Number of additional descriptors that are still to be inspected because connections opened or closed. */
  #fdsDue = 0;

  constructor(fdTable: FdTable, parts: SweepParts) {
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
    this.#hostShedding = this.#limits.counts.isShared ? new HostShedding("edge", this.#limits) : undefined;
    const networkOf = (address: string) => parts.peers.networkOf(address);
    this.#connections = new EdgeConnections(fdTable, networkOf, this.#hostShedding);
  }

  sweep(): void {
    this.#connections.scanNew();
    this.#scanNext();
    const { totalMax, perNetworkMax, fds } = this.#limits;
    const fdsMax = this.#fds + fds.left;
    const bounds =
      this.#hostShedding === undefined
        ? { perNetworkMax, totalMax: Math.min(totalMax, fdsMax) }
        : { perNetworkMax: Number.POSITIVE_INFINITY, totalMax: fdsMax };
    this.#connections.shed(bounds, this.#limits.onShed);
    this.#hostShedding?.shed(this.#connections);
    this.#countFds();
  }

  /** Continues the current pass, which is one scan of all fds. Starts at most one pass per `SWEEPS_PER_PASS_MIN` sweeps. */
  #scanNext(): void {
    if (this.#isPassOver && ++this.#sweepsOfPass < SWEEPS_PER_PASS_MIN) return;
    if (this.#isPassOver) this.#sweepsOfPass = 0;
    else this.#sweepsOfPass++;
    this.#isPassOver = this.#connections.scanNext(this.#fdsOfSweep());
  }

  #fdsOfSweep(): number {
    const { changes, top } = this.#connections;
    this.#fdsDue = Math.min(this.#fdsDue + (changes - this.#seenChanges) * FDS_PER_CHANGE, FDS_DUE_MAX);
    this.#seenChanges = changes;
    const atRest = Math.max(FDS_PER_SWEEP_MIN, Math.ceil(top / SWEEPS_PER_PASS_AT_REST));
    const fds = Math.min(atRest + this.#fdsDue, FDS_PER_SWEEP_MAX);
    this.#fdsDue = Math.max(0, this.#fdsDue - fds);
    return fds;
  }

  #countFds(): void {
    const { size } = this.#connections;
    this.#limits.fds.replace(this.#fds, size);
    this.#fds = size;
    this.#parts.metrics.gauge("sallyport_edge_connections", size);
    this.#limits.onCount("edge", size);
  }
}
