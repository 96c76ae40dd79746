import { type Bound, type ConnectionBounds, type Counted, excessOf } from "./excess.ts";
import type { OwnSockets } from "./own-sockets.ts";
import { ADDRESS_WORDS } from "./socket-address.ts";

/** What is known of a file: nothing (or it is no connection), somebody else's connection, one of the edge's, one that was shut down. */
const UNKNOWN = 0;
const OTHER = 1;
const OURS = 2;
const CUT = 3;

interface Connection extends Counted {
  readonly fd: number;
}

/** Which network an address is counted for; `undefined` where it is a trusted proxy's. */
export type NetworkOf = (address: string) => string | undefined;

/**
 * The edge's connections, as far as they have been seen among the files of the process. A connection is its peer's address and port: where
 * those change, the file has become another's. A new file takes the lowest descriptor that is free, so that who came since the last look
 * is found at the cost of looking at these alone; who left is found by looking at one file after the other.
 */
export class EdgeConnections {
  readonly #sockets: OwnSockets;
  readonly #networkOf: NetworkOf;
  /** By file: what it is, and its peer. */
  #states = new Uint8Array(64);
  #peers = new Uint32Array(64 * ADDRESS_WORDS);
  /** By file, the oldest first. */
  readonly #open = new Map<number, Connection>();
  readonly #perNetwork = new Map<string, number>();
  #next = 0;
  #end = 0;

  constructor(sockets: OwnSockets, networkOf: NetworkOf) {
    this.#sockets = sockets;
    this.#networkOf = networkOf;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Looks at the files that nothing is known of, as high as all are open. */
  lookAtNew(): void {
    const end = this.#sockets.lowestFree() ?? this.#sockets.end();
    this.#makeRoom(end);
    for (let fd = 0; fd < end; fd++) {
      const state = this.#states[fd];
      if (state === UNKNOWN || state === CUT) this.#look(fd);
    }
  }

  /** Looks at the next so many files, from the first to the last; says whether that was the last. */
  lookOn(files: number): boolean {
    if (this.#next === 0) this.#end = this.#sockets.end();
    this.#makeRoom(this.#end);
    const until = Math.min(this.#next + files, this.#end);
    for (let fd = this.#next; fd < until; fd++) this.#look(fd);
    this.#next = until < this.#end ? until : 0;
    return this.#next === 0;
  }

  /** Cuts what is over the bounds, and tells of each. Of the total, who has left counts until the pass that finds it. */
  cutExcess(bounds: ConnectionBounds, onCut: (network: string | undefined, bound: Bound) => void): void {
    if (!this.#isOver(bounds)) return;
    this.#lookAtCrowded(bounds.perNetworkMax);
    for (const { connection, bound } of excessOf(this.#open.values(), bounds)) {
      if (this.#cut(connection)) onCut(connection.network, bound);
    }
  }

  /** A network near its bound, whose clients come and go, must not be taken for one over it. */
  #lookAtCrowded(perNetworkMax: number): void {
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
    if (this.#open.get(fd) !== connection || !this.#sockets.cameIn(fd)) return false;
    this.#sockets.shutDown(fd);
    this.#forget(fd);
    this.#states[fd] = CUT;
    return true;
  }

  #look(fd: number): void {
    const isConnection = this.#sockets.readPeer(fd);
    if (isConnection && this.#isKnown(fd)) return;
    this.#forget(fd);
    if (isConnection) this.#remember(fd);
  }

  /** Whether the peer that was just read is the file's as before. */
  #isKnown(fd: number): boolean {
    if (this.#states[fd] === UNKNOWN) return false;
    const { words, wordCount } = this.#sockets.peer;
    const start = fd * ADDRESS_WORDS;
    for (let at = 0; at < wordCount; at++) if (this.#peers[start + at] !== words[at]) return false;
    return true;
  }

  #forget(fd: number): void {
    this.#states[fd] = UNKNOWN;
    const connection = this.#open.get(fd);
    if (connection === undefined) return;
    this.#open.delete(fd);
    this.#count(connection.network, -1);
  }

  #remember(fd: number): void {
    const { peer } = this.#sockets;
    this.#peers.set(peer.words.subarray(0, ADDRESS_WORDS), fd * ADDRESS_WORDS);
    this.#states[fd] = this.#sockets.cameIn(fd) ? OURS : OTHER;
    if (this.#states[fd] === OTHER) return;
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
    const [states, peers] = [this.#states, this.#peers];
    this.#states = new Uint8Array(room);
    this.#states.set(states);
    this.#peers = new Uint32Array(room * ADDRESS_WORDS);
    this.#peers.set(peers);
  }
}
