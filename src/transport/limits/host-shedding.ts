import type { ConnectionLimits } from "./connection-limits.ts";
import { CountKeys } from "./count-keys.ts";
import type { EdgeConnection, EdgeConnections, EdgeWatcher } from "./edge-connections.ts";
import { type ConnectionBound, FAIR_SHARE, rankByNetwork } from "./load-shedding.ts";

export type HostLimits = Pick<ConnectionLimits, "counts" | "totalMax" | "perNetworkMax" | "onShed">;

/** The state of a connection that is marked (see `HostShedding`) or is being closed. */
interface SheddingState {
  isInTotal: boolean;
  isInNetwork: boolean;
  /** The limits for which the connection is marked. Some of them may no longer be exceeded. */
  readonly bounds: Set<ConnectionBound>;
}

/**
 * A sweep looks for new and closed connections. Connections are closed only if a limit is exceeded in this many consecutive sweeps.
 * In each of these sweeps, every worker inspects its known connections again, because some of them may have closed.
 */
const SETTLE_SWEEPS = 4;
/** If `totalMax` is exceeded for this many sweeps, networks within their fair share (`FAIR_SHARE`) also lose connections. */
const FAIR_SWEEPS = 2 * SETTLE_SWEEPS;

/**
 * Limits the edge's connections over all workers of the gateway. Each worker adds its connections to shared counts, and marks a
 * connection if a count exceeds its limit when the connection is added.
 *
 * - If a network exceeds `perNetworkMax`, its marked connections are closed, the newest first.
 * - If `totalMax` is exceeded, networks over their fair share (`FAIR_SHARE`) lose their newest connections.
 * - If `totalMax` is still exceeded after that, the marked connections are closed, the newest first.
 */
export class HostShedding implements EdgeWatcher {
  readonly #limits: HostLimits;
  readonly #keys: CountKeys;
  /** The key of a count: the number of workers that have connections in `#states`. */
  readonly #markedKey: string;
  /** The marked connections (see `HostShedding`), and the connections that are being closed. Oldest first. */
  readonly #states = new Map<EdgeConnection, SheddingState>();
  #sweepsOver = 0;
  #isCounted = false;

  /** `listener`: the name of the listener. The keys of its counts start with this name. */
  constructor(listener: string, limits: HostLimits) {
    this.#limits = limits;
    this.#keys = new CountKeys(listener);
    this.#markedKey = this.#keys.of("marked");
  }

  added(connection: EdgeConnection): void {
    const { totalMax, perNetworkMax } = this.#limits;
    const { network } = connection;
    const bounds = new Set<ConnectionBound>();
    const isInTotal = this.#add(this.#keys.total, totalMax, () => bounds.add("total"));
    const isInNetwork = network === undefined || this.#add(this.#keys.of(network), perNetworkMax, () => bounds.add("network"));
    if (bounds.size > 0) this.#states.set(connection, { isInTotal, isInNetwork, bounds });
  }

  removed(connection: EdgeConnection): void {
    const { counts } = this.#limits;
    const { isInTotal, isInNetwork } = this.#states.get(connection) ?? { isInTotal: true, isInNetwork: true };
    this.#states.delete(connection);
    if (isInTotal) counts.remove(this.#keys.total, 1);
    if (isInNetwork && connection.network !== undefined) counts.remove(this.#keys.of(connection.network), 1);
  }

  /** Closes connections that exceed a limit. Call this after each sweep. */
  shed(connections: EdgeConnections): void {
    this.#countMarked();
    if (!this.#isOver && this.#limits.counts.held(this.#markedKey) === 0) {
      this.#sweepsOver = 0;
      return;
    }
    connections.refresh();
    if (++this.#sweepsOver < SETTLE_SWEEPS) return;
    for (const connection of this.#marked("network")) this.#shedForNetwork(connection, connections);
    if (this.#isOver) this.#shedUnfair(connections);
    if (this.#isOver && this.#sweepsOver < FAIR_SWEEPS) return;
    for (const connection of this.#marked("total")) this.#shedForTotal(connection, connections);
  }

  get #isOver(): boolean {
    return this.#limits.counts.held(this.#keys.total) > this.#limits.totalMax;
  }

  /**
   * Adds 1 to a count. Calls `onOver` if the count then exceeds `max`. Returns false if the store of the counts is full or busy.
   */
  #add(key: string, max: number, onOver: () => void): boolean {
    const { counts } = this.#limits;
    if (counts.tryAdd(key, 1, max)) return true;
    onOver();
    return counts.tryAdd(key, 1);
  }

  /** Returns the connections that are marked for the limit `bound`, newest first. */
  #marked(bound: ConnectionBound): EdgeConnection[] {
    return [...this.#states].flatMap(([connection, { bounds }]) => (bounds.has(bound) ? [connection] : [])).toReversed();
  }

  /**
   * Counts this worker while it has connections in `#states`. While the count is above 0, every worker inspects its known
   * connections again in each sweep.
   */
  #countMarked(): void {
    const { counts } = this.#limits;
    const hasMarked = this.#states.size > 0;
    if (hasMarked && !this.#isCounted) this.#isCounted = counts.tryAdd(this.#markedKey, 1);
    else if (!hasMarked && this.#isCounted) {
      counts.remove(this.#markedKey, 1);
      this.#isCounted = false;
    }
  }

  #shedForNetwork(connection: EdgeConnection, connections: EdgeConnections): void {
    const state = this.#stateOf(connection);
    const key = this.#keys.of(connection.network ?? "");
    if (state.isInNetwork && !this.#limits.counts.removeOver(key, this.#limits.perNetworkMax)) {
      this.#unmark(connection, "network");
      return;
    }
    state.isInNetwork = false;
    this.#shutDown(connection, "network", connections);
  }

  #shedForTotal(connection: EdgeConnection, connections: EdgeConnections): void {
    const state = this.#stateOf(connection);
    if (state.isInTotal && !this.#limits.counts.removeOver(this.#keys.total, this.#limits.totalMax)) {
      this.#unmark(connection, "total");
      return;
    }
    state.isInTotal = false;
    this.#shutDown(connection, "total", connections);
  }

  /** Closes the newest connections of networks over their fair share. Starts with the network that has the most connections. */
  #shedUnfair(connections: EdgeConnections): void {
    const { counts, totalMax } = this.#limits;
    const fairMax = Math.ceil(totalMax * FAIR_SHARE);
    for (const connection of this.#unfair(connections, fairMax)) {
      const key = this.#keys.of(connection.network ?? "");
      if (counts.held(key) <= fairMax) continue;
      if (!counts.removeOver(this.#keys.total, totalMax)) return;
      this.#stateOf(connection).isInTotal = false;
      this.#shutDown(connection, "total", connections);
    }
  }

  /**
   * Returns the connections whose estimated rank exceeds `fairMax`, the highest rank first. The rank is the place of a connection
   * among the connections of its network in all workers. The oldest connection has rank 1.
   */
  #unfair(connections: EdgeConnections, fairMax: number): EdgeConnection[] {
    const ranked = rankByNetwork(connections.open());
    const ofWorker = new Map<string, number>();
    for (const { connection, rank } of ranked) if (connection.network !== undefined) ofWorker.set(connection.network, rank);
    // The kernel spreads a network's connections evenly over the workers. So the rank of a connection in all workers is
    // proportional to its rank in this worker.
    const ofHost = (network: string) => this.#limits.counts.held(this.#keys.of(network));
    const scales = new Map([...ofWorker].map(([network, count]) => [network, ofHost(network) / count]));
    return ranked
      .map(({ connection, rank }) => ({ connection, rank: rank * (scales.get(connection.network ?? "") ?? 0) }))
      .filter(({ rank }) => rank > fairMax)
      .toSorted((a, b) => b.rank - a.rank)
      .map(({ connection }) => connection);
  }

  #shutDown(connection: EdgeConnection, bound: ConnectionBound, connections: EdgeConnections): void {
    if (connections.shutDown(connection)) this.#limits.onShed(connection.network, bound);
  }

  #stateOf(connection: EdgeConnection): SheddingState {
    const known = this.#states.get(connection);
    if (known !== undefined) return known;
    const state: SheddingState = { isInTotal: true, isInNetwork: true, bounds: new Set() };
    this.#states.set(connection, state);
    return state;
  }

  /** Removes the mark of a connection for the limit `bound`, because this limit is no longer exceeded. */
  #unmark(connection: EdgeConnection, bound: ConnectionBound): void {
    const { bounds, isInTotal, isInNetwork } = this.#stateOf(connection);
    bounds.delete(bound);
    if (bounds.size === 0 && isInTotal && isInNetwork) this.#states.delete(connection);
  }
}
