import type { FdTable } from "../linux/fd-table.ts";
import { type ConnectionBound, type ConnectionMaxima, type NetworkMember, selectExcess } from "./load-shedding.ts";

/** State of a descriptor: unknown or not a socket, a socket that is not the edge's, a connection of the edge, one that was shut down. */
const UNKNOWN = 0;
const OTHER = 1;
const EDGE = 2;
const SHUT_DOWN = 3;

interface Connection extends NetworkMember {
  readonly fd: number;
}

/** An SO_COOKIE is 64 bits: two 32-bit words. */
const IDENTITY_WORDS = 2;
/** After this many free descriptors in a row, beyond the highest known one, a scan for new ones stops. */
const GAP_MAX = 16;
/** One of this many passes inspects the whole table, not only the descriptors up to the highest known one. */
const PASSES_PER_FULL_SCAN = 8;

/** The network for which an address counts; `undefined` for a trusted proxy. */
export type NetworkOf = (address: string) => string | undefined;

/**
 * The edge's connections, as found in the process's fd table. A new file gets the lowest free descriptor. So new connections are mostly
 * below the lowest descriptor that is free now, or beyond the highest known one; `scanNew` inspects only these. `scanNext` inspects all
 * descriptors in turn, and finds closed connections and new ones in between.
 */
export class EdgeConnections {
  readonly #fdTable: FdTable;
  readonly #networkOf: NetworkOf;
  /** By fd: its state, and its socket's identity. */
  #states = new Uint8Array(64);
  #identities = new Uint32Array(64 * IDENTITY_WORDS);
  /** By fd, the oldest first. */
  readonly #open = new Map<number, Connection>();
  readonly #perNetwork = new Map<string, number>();
  /** Position and end of the current pass. All known sockets are below `#top`. */
  #next = 0;
  #end = 0;
  #top = 0;
  #topOfPass = 0;
  #passes = 0;

  constructor(fdTable: FdTable, networkOf: NetworkOf) {
    this.#fdTable = fdTable;
    this.#networkOf = networkOf;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Inspects the unknown fds below the lowest free one, and those beyond the highest known one. */
  scanNew(): void {
    const end = this.#fdTable.lowestFree() ?? this.#fdTable.end();
    this.#grow(end);
    for (let fd = 0; fd < end; fd++) {
      const state = this.#states[fd];
      if (state === UNKNOWN || state === SHUT_DOWN) this.#inspect(fd);
    }
    for (let fd = Math.max(end, this.#top), gap = 0; gap < GAP_MAX; fd++) gap = this.#inspect(fd) ? 0 : gap + 1;
  }

  /** Inspects the next `fds` descriptors of the pass. Returns true if that ends the pass. */
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

  /** Shuts down the connections over the limits, and calls `onShed` for each. */
  shedExcess(bounds: ConnectionMaxima, onShed: (network: string | undefined, bound: ConnectionBound) => void): void {
    if (!this.#isOver(bounds)) return;
    this.#refreshCrowded(bounds);
    if (!this.#isOver(bounds)) return;
    for (const { connection, bound } of selectExcess(this.#open.values(), bounds)) {
      if (this.#shutDown(connection)) onShed(connection.network, bound);
    }
  }

  /** Inspects what counts for an exceeded limit again: a connection that is closed by now must not cause another one to be shut down. */
  #refreshCrowded({ totalMax, perNetworkMax }: ConnectionMaxima): void {
    if (this.#open.size > totalMax) {
      for (const fd of [...this.#open.keys()]) this.#inspect(fd);
      return;
    }
    const crowded = new Set(this.#perNetwork.keys().filter((network) => (this.#perNetwork.get(network) ?? 0) > perNetworkMax));
    if (crowded.size === 0) return;
    for (const { fd, network } of [...this.#open.values()])
      if (network !== undefined && crowded.has(network)) this.#inspect(fd);
  }

  #isOver({ totalMax, perNetworkMax }: ConnectionMaxima): boolean {
    const { size } = this.#open;
    return size > totalMax || (size > perNetworkMax && this.#perNetwork.values().some((count) => count > perNetworkMax));
  }

  /** Only this thread closes the edge's sockets, so the fd cannot become another file between the check and the shutdown. */
  #shutDown(connection: Connection): boolean {
    const { fd } = connection;
    this.#inspect(fd);
    if (this.#open.get(fd) !== connection || !this.#fdTable.isAccepted(fd)) return false;
    this.#fdTable.shutDown(fd);
    this.#forget(fd);
    this.#states[fd] = SHUT_DOWN;
    return true;
  }

  /** Updates what is known of a descriptor. Returns whether it is a socket. */
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

  /** Whether the identity that was just read is the one stored for this fd. */
  #isKnown(fd: number): boolean {
    if ((this.#states[fd] ?? UNKNOWN) === UNKNOWN) return false;
    const { identity } = this.#fdTable;
    const start = fd * IDENTITY_WORDS;
    return this.#identities[start] === identity[0] && this.#identities[start + 1] === identity[1];
  }

  #forget(fd: number): void {
    if (fd < this.#states.length) this.#states[fd] = UNKNOWN;
    const connection = this.#open.get(fd);
    if (connection === undefined) return;
    this.#open.delete(fd);
    this.#count(connection.network, -1);
  }

  #remember(fd: number): void {
    const { identity, peer } = this.#fdTable;
    this.#grow(fd + 1);
    this.#identities.set(identity, fd * IDENTITY_WORDS);
    const isEdge = this.#fdTable.readPeer(fd) && this.#fdTable.isAccepted(fd);
    this.#states[fd] = isEdge ? EDGE : OTHER;
    if (!isEdge) return;
    const network = this.#networkOf(peer.address);
    this.#open.set(fd, { fd, network });
    this.#count(network, 1);
  }

  #count(network: string | undefined, by: 1 | -1): void {
    if (network === undefined) return;
    const count = (this.#perNetwork.get(network) ?? 0) + by;
    if (count > 0) this.#perNetwork.set(network, count);
    else this.#perNetwork.delete(network);
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
