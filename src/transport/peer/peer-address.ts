import {
  contains,
  formatIp,
  formatSlash64,
  type IpAddress,
  type IpBlock,
  parseIp,
  parseIpBlock,
} from "../../core/ip-address.ts";
import type { Peer } from "../../core/ports.ts";
import { forwardedHops } from "./forwarded.ts";

/** Hops beyond this many are not looked at; a longer chain of trusted proxies does not exist. */
const HOPS_MAX = 32;

/** Some hundred bytes each. */
const DIRECT_PEERS_MAX = 4096;

/** Used where the runtime cannot name the peer, since its connection has just closed. */
const UNKNOWN_PEER: Peer = { address: "unknown", network: "unknown" };

/** Where proxies say whom they speak for, by name in lower case. */
export type ProxyHeader = "x-forwarded-for" | "forwarded";

/**
 * Says who a client is. The socket's address, unless that is a trusted proxy's: then the nearest address of the proxies' header that is
 * not itself trusted. By default nobody is trusted, and the header is not even read. proto/README.md, "Budgets".
 *
 * It is one header, by configuration, and never the other: a proxy adds to the one it knows, and passes the other on as the client wrote it.
 */
export class PeerResolver {
  readonly header: ProxyHeader;
  readonly #trusted: readonly IpBlock[];
  /** Peers by socket address: a connection brings many requests. */
  readonly #direct = new Map<string, Peer>();

  /** `trustedProxies`: CIDRs or single addresses. Throws RangeError on anything else. */
  constructor(trustedProxies: readonly string[], header: ProxyHeader = "x-forwarded-for") {
    this.#trusted = trustedProxies.map(parseIpBlock);
    this.header = header;
  }

  /** `hops`: the value of `header` in the request. */
  resolve(socketAddress: string | undefined, hops: () => string | null): Peer {
    if (socketAddress === undefined) return UNKNOWN_PEER;
    const known = this.#direct.get(socketAddress);
    if (known !== undefined) return known;
    const socket = parseIp(socketAddress);
    if (socket === undefined) return UNKNOWN_PEER;
    if (this.#trusts(socket)) return peerAt(this.#behindProxies(socket, hops() ?? ""));
    return this.#remember(socketAddress, peerAt(socket));
  }

  /** Whether anybody is a trusted proxy. */
  get hasTrustedProxies(): boolean {
    return this.#trusted.length > 0;
  }

  /** Whether this is a trusted proxy's address. */
  isTrusted(socketAddress: string): boolean {
    const socket = parseIp(socketAddress);
    return socket !== undefined && this.#trusts(socket);
  }

  /** Emptied as a whole when full: cheaper than keeping an order, and rare. */
  #remember(socketAddress: string, peer: Peer): Peer {
    if (this.#direct.size >= DIRECT_PEERS_MAX) this.#direct.clear();
    this.#direct.set(socketAddress, peer);
    return peer;
  }

  /** The network that a connection from here counts for; `undefined` for a trusted proxy's, which brings everybody. */
  networkOf(socketAddress: string | undefined): string | undefined {
    if (socketAddress !== undefined && this.isTrusted(socketAddress)) return undefined;
    return this.resolve(socketAddress, () => null).network;
  }

  /** Walks from the nearest hop outwards. What is not an address ends the walk: nothing beyond it can be believed. */
  #behindProxies(socket: IpAddress, header: string): IpAddress {
    let nearest = socket;
    let hops = 0;
    for (const hop of this.header === "forwarded" ? forwardedHops(header) : forwardedForHops(header)) {
      const address = parseIp(hop);
      if (address === undefined) return nearest;
      nearest = address;
      if (!this.#trusts(address) || ++hops >= HOPS_MAX) return address;
    }
    return nearest;
  }

  #trusts(address: IpAddress): boolean {
    return this.#trusted.some((block) => contains(block, address));
  }
}

/** The hops of X-Forwarded-For, the nearest first. */
function* forwardedForHops(header: string): Generator<string, void, undefined> {
  let end = header.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : header.lastIndexOf(",", end - 1);
    yield withoutPort(header.slice(comma + 1, end).trim());
    end = comma;
  }
}

/** Some proxies append the port: `192.0.2.1:1234`, `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}

function peerAt(address: IpAddress): Peer {
  const text = formatIp(address);
  return { address: text, network: address.family === 4 ? text : formatSlash64(address) };
}
