import type { Peer } from "../../core/admission.ts";
import {
  contains,
  formatIp,
  formatSlash64,
  type IpAddress,
  type IpBlock,
  parseIp,
  parseIpBlock,
} from "../../core/ip-address.ts";
import { forwardedHops } from "./forwarded.ts";

/** Maximum number of hops that are read from a forwarding header. Real chains of trusted proxies are shorter. */
const HOPS_MAX = 32;

/** Maximum number of cached peers. An entry takes a few hundred bytes. */
const DIRECT_PEERS_MAX = 4096;

/** The peer for a connection that has just closed. The runtime reports no address for such a connection. */
const UNKNOWN_PEER: Peer = { address: "unknown", network: "unknown" };

/** Lower-case name of the header in which proxies write the address of the client. */
export type ProxyHeader = "x-forwarded-for" | "forwarded";

/** The remote end of a connection, as the runtime reports it. */
export interface SocketEnd {
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/**
 * Resolves the address of a client (proto/README.md, "Budgets").
 *
 * - If the address of the socket is not a trusted proxy, it is the client's address. By default, no proxy is trusted.
 * - If the address of the socket is a trusted proxy, the forwarding header gives the client's address: the nearest address that is
 *   not a trusted proxy.
 * - Only the configured forwarding header is read. A proxy appends to the header that it supports. It forwards the other header as
 *   the client wrote it. Thus the other header cannot be trusted.
 */
export class PeerResolver {
  #header: ProxyHeader;
  #trusted: readonly IpBlock[];
  /**
   * Caches peers by socket address, because one connection carries many requests. Trusted proxies are not stored in this cache.
   */
  readonly #direct = new Map<string, Peer>();

  /** `trustedProxies` are CIDR blocks or single addresses. Throws RangeError if one of them is malformed. */
  constructor(trustedProxies: readonly string[], header: ProxyHeader = "x-forwarded-for") {
    this.#trusted = trustedProxies.map(parseIpBlock);
    this.#header = header;
  }

  /** The name of the forwarding header that is read. */
  get header(): ProxyHeader {
    return this.#header;
  }

  /** From now on, trusts the proxies of `other`, and reads the same forwarding header as `other`. */
  adopt(other: PeerResolver): void {
    this.#trusted = other.#trusted;
    this.#header = other.#header;
    this.#direct.clear();
  }

  /**
   * Returns the peer of a request. `hops` reads the forwarding header of the request, and is called only if the socket belongs
   * to a trusted proxy.
   */
  resolve(socketAddress: string | undefined, hops: () => string | null): Peer {
    if (socketAddress === undefined) return UNKNOWN_PEER;
    const known = this.#direct.get(socketAddress);
    if (known !== undefined) return known;
    const socket = parseIp(socketAddress);
    if (socket === undefined) return UNKNOWN_PEER;
    if (this.#isTrustedAddress(socket)) return peerAt(this.#behindProxies(socket, hops() ?? ""));
    return this.#remember(socketAddress, peerAt(socket));
  }

  get hasTrustedProxies(): boolean {
    return this.#trusted.length > 0;
  }

  isTrusted(socketAddress: string): boolean {
    const socket = parseIp(socketAddress);
    return socket !== undefined && this.#isTrustedAddress(socket);
  }

  /**
   * Adds a peer to the cache. If the cache is full, removes all entries. The cache is rarely full, so it needs no eviction order.
   */
  #remember(socketAddress: string, peer: Peer): Peer {
    if (this.#direct.size >= DIRECT_PEERS_MAX) this.#direct.clear();
    this.#direct.set(socketAddress, peer);
    return peer;
  }

  /**
   * Returns the network for which a connection is counted. Returns `undefined` for a trusted proxy, because many clients share
   * the proxy.
   */
  networkOf(socketAddress: string | undefined): string | undefined {
    if (socketAddress !== undefined && this.isTrusted(socketAddress)) return undefined;
    return this.resolve(socketAddress, () => null).network;
  }

  /**
   * Returns the address of the client. `socket` is the address of a trusted proxy. Reads the hops in `header` from the
   * nearest to the farthest:
   *
   * - At the first address that is not a trusted proxy, returns this address.
   * - At a hop that is not an address, returns the last address that was read. All farther hops are untrusted.
   * - At the end of the header, or after `HOPS_MAX` hops, returns the last address that was read.
   */
  #behindProxies(socket: IpAddress, header: string): IpAddress {
    let nearest = socket;
    let hops = 0;
    for (const hop of this.#header === "forwarded" ? forwardedHops(header) : forwardedForHops(header)) {
      const address = parseIp(hop);
      if (address === undefined) return nearest;
      nearest = address;
      if (!this.#isTrustedAddress(address) || ++hops >= HOPS_MAX) return address;
    }
    return nearest;
  }

  #isTrustedAddress(address: IpAddress): boolean {
    return this.#trusted.some((block) => contains(block, address));
  }
}

/** Yields the hops of an X-Forwarded-For header, starting with the nearest hop. */
function* forwardedForHops(header: string): Generator<string, void, undefined> {
  let end = header.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : header.lastIndexOf(",", end - 1);
    yield withoutPort(header.slice(comma + 1, end).trim());
    end = comma;
  }
}

/** Removes the port that some proxies add, as in `192.0.2.1:1234` and `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}

function peerAt(address: IpAddress): Peer {
  const text = formatIp(address);
  return { address: text, network: address.family === 4 ? text : formatSlash64(address) };
}
