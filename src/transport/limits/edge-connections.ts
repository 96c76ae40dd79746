import { NetworkCounter } from "../../core/network-counter.ts";
import type { FdTable } from "../linux/fd-table.ts";
import { type ConnectionBound, type ConnectionMaxima, connectionsToShed, type NetworkMember } from "./load-shedding.ts";

/** State of a descriptor that is not inspected yet or is not a socket. */
const UNKNOWN = 0;
/** State of a descriptor that is known to be a socket. */
const KNOWN = 1;

export interface EdgeConnection extends NetworkMember {
  readonly fd: number;
}

/** Called for each connection that was found or that has ended. */
export interface EdgeWatcher {
  added(connection: EdgeConnection): void;
  removed(connection: EdgeConnection): void;
}

/** Number of 32-bit words in the identity of a socket. The identity is the SO_COOKIE of the socket, which has 64 bits. */
const IDENTITY_WORDS = 2;
/**
 * `scanNew` also inspects descriptors above the highest known socket. It stops after this many consecutive descriptors that are
 * not sockets.
 */
const GAP_MAX = 16;
/**
 * A pass scans the fd table in several calls of `scanNext`. Every eighth pass scans the whole table. The other passes stop at
 * the highest known socket.
 */
const PASSES_PER_FULL_SCAN = 8;

/** Returns the network of an address. Returns `undefined` for a trusted proxy, because no limit per network applies to it. */
export type NetworkOf = (address: string) => string | undefined;

/**
 * The edge's connections, as found in the fd table of the process.
 *
 * - `scanNew` inspects the descriptors below the lowest free descriptor, and those above the highest known socket. Most new
 *   connections are there, because the kernel gives a new file the lowest free descriptor.
 * - `scanNext` inspects a part of the table in each call, and the whole table over many calls. It finds closed connections, and
 *   new connections that `scanNew` did not find.
 */
export class EdgeConnections {
  readonly #fdTable: FdTable;
  readonly #networkOf: NetworkOf;
  readonly #watcher: EdgeWatcher | undefined;
  /** The state of each descriptor. The index is the fd. */
  #states = new Uint8Array(64);
  /** The identity of each socket. The index is `fd * IDENTITY_WORDS`. */
  #identities = new Uint32Array(64 * IDENTITY_WORDS);
  /** The open connections of the edge by fd. The oldest connection is the first. */
  readonly #open = new Map<number, EdgeConnection>();
  readonly #perNetwork = new NetworkCounter();
  /** The fds of connections that were shut down and that the runtime may not have closed yet. */
  readonly #shutDownFds = new Set<number>();
  /** The fd at which the next call of `scanNext` continues. */
  #next = 0;
  /** The current pass of `scanNext` inspects only fds below this number. */
  #end = 0;
  /** Every known socket has an fd below this number. */
  #top = 0;
  /** Every socket that the current pass has found has an fd below this number. */
  #topOfPass = 0;
  #passes = 0;
  #changes = 0;

  constructor(fdTable: FdTable, networkOf: NetworkOf, watcher?: EdgeWatcher) {
    this.#fdTable = fdTable;
    this.#networkOf = networkOf;
    this.#watcher = watcher;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Number of changes that were found so far. A change is a new connection or the end of a connection. */
  get changes(): number {
    return this.#changes;
  }

  /** Iterates over the open connections, the oldest first. */
  open(): Iterable<EdgeConnection> {
    return this.#open.values();
  }

  /** Inspects all open connections again, and forgets those that have closed. */
  refresh(): void {
    for (const fd of [...this.#open.keys()]) this.#inspect(fd);
  }

  /** Every known socket has an fd below this number. */
  get top(): number {
    return this.#top;
  }

  /**
   * Finds new connections. Inspects two groups of fds:
   *
   * - the fds below the lowest free fd, except those that are known to be open sockets
   * - the fds above the highest known socket, until `GAP_MAX` consecutive fds are not sockets
   */
  scanNew(): void {
    const end = this.#fdTable.lowestFree() ?? this.#fdTable.end();
    this.#grow(end);
    for (const fd of this.#shutDownFds) this.#inspect(fd);
    // `indexOf` is a hundred times faster than a loop over the states.
    const nextUnknown = (from: number) => this.#states.indexOf(UNKNOWN, from);
    for (let fd = nextUnknown(0); fd >= 0 && fd < end; fd = nextUnknown(fd + 1)) this.#inspect(fd);
    for (let fd = Math.max(end, this.#top), gap = 0; gap < GAP_MAX; fd++) gap = this.#inspect(fd) ? 0 : gap + 1;
  }

  /** Inspects the next `fds` descriptors. Returns true if all descriptors of the current pass are now inspected. */
  scanNext(fds: number): boolean {
    if (this.#next === 0) {
      this.#end = this.#passes++ % PASSES_PER_FULL_SCAN === 0 ? this.#fdTable.end() : this.#top;
      this.#topOfPass = 0;
    }
    const until = Math.min(this.#next + fds, this.#end);
    for (let fd = this.#next; fd < until; fd++) this.#inspect(fd);
    this.#next = until < this.#end ? until : 0;
    if (this.#next === 0) this.#top = this.#topOfPass;
    return this.#next === 0;
  }

  /** Shuts down the connections that exceed a limit, and calls `onShed` for each of them. */
  shed(bounds: ConnectionMaxima, onShed: (network: string | undefined, bound: ConnectionBound) => void): void {
    if (!this.#isOver(bounds)) return;
    this.#refreshCrowded(bounds);
    if (!this.#isOver(bounds)) return;
    for (const { connection, bound } of connectionsToShed(this.#open.values(), bounds)) {
      if (this.shutDown(connection)) onShed(connection.network, bound);
    }
  }

  /**
   * Inspects again all connections that count towards an exceeded limit. Some of them may have closed since their last
   * inspection. If closed connections were still counted, too many open connections would be shut down.
   */
  #refreshCrowded({ totalMax, perNetworkMax }: ConnectionMaxima): void {
    if (this.#open.size > totalMax) {
      this.refresh();
      return;
    }
    const crowded = new Set(this.#perNetwork.over(perNetworkMax));
    if (crowded.size === 0) return;
    for (const { fd, network } of [...this.#open.values()])
      if (network !== undefined && crowded.has(network)) this.#inspect(fd);
  }

  #isOver({ totalMax, perNetworkMax }: ConnectionMaxima): boolean {
    const { size } = this.#open;
    return size > totalMax || (size > perNetworkMax && this.#perNetwork.over(perNetworkMax).some(() => true));
  }

  /**
   * Shuts down a connection and returns true. If its fd now belongs to another file, does nothing and returns false. Only this
   * thread closes the edge's sockets, so the fd cannot become another file between the check and the shutdown.
   */
  shutDown(connection: EdgeConnection): boolean {
    const { fd } = connection;
    this.#inspect(fd);
    if (this.#open.get(fd) !== connection || !this.#fdTable.isAccepted(fd)) return false;
    this.#fdTable.shutDown(fd);
    this.#forget(fd);
    this.#states[fd] = KNOWN;
    this.#shutDownFds.add(fd);
    return true;
  }

  /** Inspects a descriptor and updates its stored state. Returns whether the descriptor is a socket. */
  #inspect(fd: number): boolean {
    if (!this.#fdTable.readIdentity(fd)) {
      this.#forget(fd);
      return false;
    }
    this.#top = Math.max(this.#top, fd + 1);
    this.#topOfPass = Math.max(this.#topOfPass, fd + 1);
    if (this.#isKnown(fd)) return true;
    this.#forget(fd);
    this.#remember(fd);
    return true;
  }

  /** Returns whether the identity that `readIdentity` has just read equals the stored identity of this fd. */
  #isKnown(fd: number): boolean {
    if ((this.#states[fd] ?? UNKNOWN) === UNKNOWN) return false;
    const { identity } = this.#fdTable;
    const start = fd * IDENTITY_WORDS;
    return this.#identities[start] === identity[0] && this.#identities[start + 1] === identity[1];
  }

  #forget(fd: number): void {
    if (fd < this.#states.length) this.#states[fd] = UNKNOWN;
    this.#shutDownFds.delete(fd);
    const connection = this.#open.get(fd);
    if (connection === undefined) return;
    this.#changes++;
    this.#open.delete(fd);
    if (connection.network !== undefined) this.#perNetwork.remove(connection.network);
    this.#watcher?.removed(connection);
  }

  #remember(fd: number): void {
    const { identity, peer } = this.#fdTable;
    this.#grow(fd + 1);
    this.#identities.set(identity, fd * IDENTITY_WORDS);
    const isEdge = this.#fdTable.readPeer(fd) && this.#fdTable.isAccepted(fd);
    this.#states[fd] = KNOWN;
    if (!isEdge) return;
    this.#changes++;
    const network = this.#networkOf(peer.address);
    const connection = { fd, network };
    this.#open.set(fd, connection);
    if (network !== undefined) this.#perNetwork.add(network);
    this.#watcher?.added(connection);
  }

  #grow(fds: number): void {
    if (fds <= this.#states.length) return;
    const room = Math.max(fds, 2 * this.#states.length);
    const [states, identities] = [this.#states, this.#identities];
    this.#states = new Uint8Array(room);
    this.#states.set(states);
    this.#identities = new Uint32Array(room * IDENTITY_WORDS);
    this.#identities.set(identities);
  }
}
