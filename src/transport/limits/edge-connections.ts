import type { FdTable } from "../linux/fd-table.ts";
import { type Bound, type ConnectionBounds, type Counted, selectExcess } from "./load-shedding.ts";

/** What is known of a file: nothing (or it is no socket), a socket of somebody else's, a connection of the edge's, one that was shut down. */
const UNKNOWN = 0;
const OTHER = 1;
const OURS = 2;
const CUT = 3;

interface Connection extends Counted {
  readonly fd: number;
}

/** What tells one socket from all others, in words. */
const IDENTITY_WORDS = 2;
/** So many descriptors in a row that are free, beyond the highest that is known, are taken for the end of all. */
const GAP_MAX = 16;
/** So many passes go by between two that look at every descriptor there may be, whatever is known. */
const PASSES_PER_WHOLE = 8;

/** Which network an address is counted for; `undefined` where it is a trusted proxy's. */
export type NetworkOf = (address: string) => string | undefined;

/**
 * The edge's connections, as far as they have been seen among the files of the process. A new file takes the lowest descriptor that is
 * free, so that who came since the last look is found at the cost of looking at these alone: below the lowest that is free now, and beyond
 * the highest that is known. Who left, and who came in between, is found by looking at one file after the other.
 */
export class EdgeConnections {
  readonly #sockets: FdTable;
  readonly #networkOf: NetworkOf;
  /** By file: what it is, and which socket. */
  #states = new Uint8Array(64);
  #identities = new Uint32Array(64 * IDENTITY_WORDS);
  /** By file, the oldest first. */
  readonly #open = new Map<number, Connection>();
  readonly #perNetwork = new Map<string, number>();
  /** Where the pass is, and where it ends: no socket that is known has a descriptor as high as `#top`. */
  #next = 0;
  #end = 0;
  #top = 0;
  #topOfPass = 0;
  #passes = 0;

  constructor(sockets: FdTable, networkOf: NetworkOf) {
    this.#sockets = sockets;
    this.#networkOf = networkOf;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Looks at the files that nothing is known of, as high as all are open, and at those beyond all that are known. */
  scanNew(): void {
    const end = this.#sockets.lowestFree() ?? this.#sockets.end();
    this.#makeRoom(end);
    for (let fd = 0; fd < end; fd++) {
      const state = this.#states[fd];
      if (state === UNKNOWN || state === CUT) this.#look(fd);
    }
    for (let fd = Math.max(end, this.#top), gap = 0; gap < GAP_MAX; fd++) gap = this.#look(fd) ? 0 : gap + 1;
  }

  /** Looks at the next so many files, from the first to the last; says whether that was the last. */
  scanNext(files: number): boolean {
    if (this.#next === 0) {
      this.#end = this.#passes++ % PASSES_PER_WHOLE === 0 ? this.#sockets.end() : this.#top;
      this.#topOfPass = 0;
    }
    const until = Math.min(this.#next + files, this.#end);
    for (let fd = this.#next; fd < until; fd++) this.#look(fd);
    this.#next = until < this.#end ? until : 0;
    if (this.#next === 0) this.#top = this.#topOfPass;
    return this.#next === 0;
  }

  /** Cuts what is over the bounds, and tells of each. */
  shedExcess(bounds: ConnectionBounds, onShed: (network: string | undefined, bound: Bound) => void): void {
    if (!this.#isOver(bounds)) return;
    this.#lookAtCrowded(bounds);
    if (!this.#isOver(bounds)) return;
    for (const { connection, bound } of selectExcess(this.#open.values(), bounds)) {
      if (this.#cut(connection)) onShed(connection.network, bound);
    }
  }

  /** Who has left since it was seen must not cost those who are still there. */
  #lookAtCrowded({ totalMax, perNetworkMax }: ConnectionBounds): void {
    if (this.#open.size > totalMax) {
      for (const fd of [...this.#open.keys()]) this.#look(fd);
      return;
    }
    const crowded = new Set(this.#perNetwork.keys().filter((network) => (this.#perNetwork.get(network) ?? 0) > perNetworkMax));
    if (crowded.size === 0) return;
    for (const { fd, network } of [...this.#open.values()]) if (network !== undefined && crowded.has(network)) this.#look(fd);
  }

  #isOver({ totalMax, perNetworkMax }: ConnectionBounds): boolean {
    const { size } = this.#open;
    return size > totalMax || (size > perNetworkMax && this.#perNetwork.values().some((count) => count > perNetworkMax));
  }

  /** Nobody but this thread closes the edge's files: what is the edge's connection now is so still when it is shut down. */
  #cut(connection: Connection): boolean {
    const { fd } = connection;
    this.#look(fd);
    if (this.#open.get(fd) !== connection || !this.#sockets.isAccepted(fd)) return false;
    this.#sockets.shutDown(fd);
    this.#forget(fd);
    this.#states[fd] = CUT;
    return true;
  }

  /** Says whether there is a socket. */
  #look(fd: number): boolean {
    if (!this.#sockets.readIdentity(fd)) {
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

  /** Whether the socket whose identity was just read is the file's as before. */
  #isKnown(fd: number): boolean {
    if ((this.#states[fd] ?? UNKNOWN) === UNKNOWN) return false;
    const { identity } = this.#sockets;
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
    const { identity, peer } = this.#sockets;
    this.#makeRoom(fd + 1);
    this.#identities.set(identity, fd * IDENTITY_WORDS);
    const isOurs = this.#sockets.readPeer(fd) && this.#sockets.isAccepted(fd);
    this.#states[fd] = isOurs ? OURS : OTHER;
    if (!isOurs) return;
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

  #makeRoom(files: number): void {
    if (files <= this.#states.length) return;
    const room = Math.max(files, 2 * this.#states.length);
    const [states, identities] = [this.#states, this.#identities];
    this.#states = new Uint8Array(room);
    this.#states.set(states);
    this.#identities = new Uint32Array(room * IDENTITY_WORDS);
    this.#identities.set(identities);
  }
}
