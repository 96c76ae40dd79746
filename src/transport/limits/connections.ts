import type { Socket } from "node:net";
import { LiveSet } from "../../core/live-set.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { CountKeys } from "./count-keys.ts";
import type { ConnectionBound } from "./load-shedding.ts";

/**
 * Number of additional fds for a connection that a `LoopbackProxy` forwards. They are the two ends of the connection on
 * loopback.
 */
const PROXY_FDS = 2;

interface Connection {
  readonly socket: Socket;
  /** Destroys the socket if its protocol is not identified in time. */
  firstBytesTimer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The open sockets of a listener. Limits their total, their number per network, and the time until the protocol of a socket is
 * known.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #peers: PeerResolver;
  readonly #all = new LiveSet<Connection>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  readonly #listener: string;
  readonly #keys: CountKeys;

  /** `listener`: the name of the listener, for the metric and for the keys of `limits.counts`. */
  constructor(listener: string, limits: ConnectionLimits, peers: PeerResolver) {
    this.#limits = limits;
    this.#peers = peers;
    this.#listener = listener;
    this.#keys = new CountKeys(listener);
  }

  /**
   * Adds a socket and returns true. If `totalMax` is reached or no fd is free, destroys the socket and returns false. An added
   * socket is destroyed if `identified` is not called within `firstBytesTimeoutMs`.
   */
  add(socket: Socket): boolean {
    if (this.#bySocket.has(socket)) return true;
    socket.on("error", () => socket.destroy());
    if (!this.#count(socket, this.#keys.total, this.#limits.totalMax) || !this.#holdFds(socket, 1))
      return this.#shed(socket, this.#peers.networkOf(socket.remoteAddress), "total");
    const connection = { socket, firstBytesTimer: setTimeout(() => socket.destroy(), this.#limits.firstBytesTimeoutMs) };
    const held = this.#all.add(connection);
    this.#limits.onCount(this.#listener, this.#all.size);
    this.#bySocket.set(socket, connection);
    socket.setNoDelay(true);
    socket.once("close", () => {
      this.identified(socket);
      this.#bySocket.delete(socket);
      this.#all.remove(held);
      this.#limits.onCount(this.#listener, this.#all.size);
    });
    return true;
  }

  /**
   * Counts a socket for its network and returns true. If the limit of the network is reached, destroys the socket and returns
   * false. Sockets of a trusted proxy are not counted.
   */
  countForNetwork(socket: Socket, address: string): boolean {
    const network = this.#peers.networkOf(address);
    if (network === undefined) return true;
    return this.#count(socket, this.#keys.of(network), this.#limits.perNetworkMax) || this.#shed(socket, network, "network");
  }

  /** Counts a socket until it closes, and returns true. Returns false if the count has reached `max`. */
  #count(socket: Socket, key: string, max: number): boolean {
    const { counts } = this.#limits;
    if (!counts.tryAdd(key, 1, max)) return false;
    socket.once("close", () => counts.remove(key, 1));
    return true;
  }

  /**
   * Reserves the fds that the loopback proxy needs for a socket, and returns true. The reservation ends when the socket closes.
   * If too few fds are free, destroys the socket and returns false.
   */
  reserveProxyFds(socket: Socket): boolean {
    return this.#holdFds(socket, PROXY_FDS) || this.#shed(socket, this.#peers.networkOf(socket.remoteAddress), "total");
  }

  #shed(socket: Socket, network: string | undefined, bound: ConnectionBound): false {
    this.#limits.onShed(network, bound);
    socket.destroy();
    return false;
  }

  #holdFds(socket: Socket, fds: number): boolean {
    const budget = this.#limits.fds;
    if (!budget.take(fds)) return false;
    socket.once("close", () => budget.release(fds));
    return true;
  }

  /** Must be called when the protocol of a socket is known. Stops the timer of the socket. */
  identified(socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return;
    clearTimeout(connection.firstBytesTimer);
    connection.firstBytesTimer = undefined;
  }

  closeUnidentified(): void {
    for (const { socket, firstBytesTimer } of this.#all) if (firstBytesTimer !== undefined) socket.destroy();
  }

  closeAll(): void {
    for (const { socket } of this.#all) socket.destroy();
  }
}
