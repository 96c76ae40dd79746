import type { Socket } from "node:net";
import { LiveSet } from "../../core/live-set.ts";
import { NetworkCounter } from "../../core/network-counter.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import type { Bound } from "./load-shedding.ts";

/** A connection that is passed on is two more sockets: this process's end and that of the listener behind. */
const PROXY_FDS = 2;

interface Connection {
  readonly socket: Socket;
  /** Destroys the socket unless it is settled before. */
  opening: ReturnType<typeof setTimeout> | undefined;
}

/** The open sockets of a listener: how many, from where, and how long each may take until it has said what it is. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #peers: PeerResolver;
  readonly #all = new LiveSet<Connection>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  readonly #perNetwork = new NetworkCounter();

  constructor(limits: ConnectionLimits, peers: PeerResolver) {
    this.#limits = limits;
    this.#peers = peers;
  }

  get size(): number {
    return this.#all.size;
  }

  /**
   * Takes a socket in, or destroys it where there are too many; says which. One that is taken in is destroyed when its time is over,
   * unless it is `settled` before.
   */
  add(socket: Socket): boolean {
    if (this.#bySocket.has(socket)) return true;
    socket.on("error", () => socket.destroy());
    if (this.#all.size >= this.#limits.totalMax || !this.#holdFiles(socket, 1))
      return this.#cut(socket, this.#peers.networkOf(socket.remoteAddress), "total");
    const connection = { socket, opening: setTimeout(() => socket.destroy(), this.#limits.firstBytesTimeoutMs) };
    const held = this.#all.add(connection);
    this.#bySocket.set(socket, connection);
    socket.setNoDelay(true);
    socket.once("close", () => {
      this.settled(socket);
      this.#bySocket.delete(socket);
      this.#all.remove(held);
    });
    return true;
  }

  /**
   * Counts a socket for the network that it comes from, or destroys it where that has too many; says which. A trusted proxy brings
   * everybody, and is not counted.
   */
  attribute(socket: Socket, address: string): boolean {
    const network = this.#peers.networkOf(address);
    if (network === undefined) return true;
    if (this.#perNetwork.of(network) >= this.#limits.perNetworkMax) return this.#cut(socket, network, "network");
    this.#perNetwork.add(network);
    socket.once("close", () => this.#perNetwork.remove(network));
    return true;
  }

  /** Counts the files that passing a socket on takes, until it closes; or destroys it where there are too many; says which. */
  passOn(socket: Socket): boolean {
    return this.#holdFiles(socket, PROXY_FDS) || this.#cut(socket, this.#peers.networkOf(socket.remoteAddress), "total");
  }

  #cut(socket: Socket, network: string | undefined, bound: Bound): false {
    this.#limits.onShed(network, bound);
    socket.destroy();
    return false;
  }

  #holdFiles(socket: Socket, files: number): boolean {
    const budget = this.#limits.files;
    if (!budget.take(files)) return false;
    socket.once("close", () => budget.giveBack(files));
    return true;
  }

  /** The socket has said what it is. */
  settled(socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return;
    clearTimeout(connection.opening);
    connection.opening = undefined;
  }

  closeUnidentified(): void {
    for (const { socket, opening } of this.#all) if (opening !== undefined) socket.destroy();
  }

  cutAll(): void {
    for (const { socket } of this.#all) socket.destroy();
  }
}
