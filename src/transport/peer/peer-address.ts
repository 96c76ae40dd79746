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

/** Further hops are ignored. Real chains of trusted proxies are shorter. */
const HOPS_MAX = 32;

/** A cache entry takes some hundred bytes. */
const DIRECT_PEERS_MAX = 4096;

/** Used if the runtime reports no address, since the connection has just closed. */
const UNKNOWN_PEER: Peer = { address: "unknown", network: "unknown" };

/** The header in which proxies name the client, in lower case. */
export type ProxyHeader = "x-forwarded-for" | "forwarded";

/**
 * Resolves the client's address: the socket's address, unless that is a trusted proxy. Then it is the nearest address in the forwarding
 * header that is not a trusted proxy. By default no proxy is trusted, and the header is not read. proto/README.md, "Budgets".
 *
 * Only the configured header is read. A proxy appends to the header that it knows, and forwards the other one as the client wrote it.
 */
export class PeerResolver {
  readonly header: ProxyHeader;
  readonly #trusted: readonly IpBlock[];
  /** Cache of peers by socket address: a connection carries many requests. */
  readonly #direct = new Map<string, Peer>();

  /** `trustedProxies`: CIDR blocks or single addresses. Throws RangeError on anything else. */
  constructor(trustedProxies: readonly string[], header: ProxyHeader = "x-forwarded-for") {
    this.#trusted = trustedProxies.map(parseIpBlock);
    this.header = header;
  }

  /** `hops`: reads the value of `header` from the request. */
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

  /** Clears the whole cache when it is full, which is rare and cheaper than an eviction order. */
  #remember(socketAddress: string, peer: Peer): Peer {
    if (this.#direct.size >= DIRECT_PEERS_MAX) this.#direct.clear();
    this.#direct.set(socketAddress, peer);
    return peer;
  }

  /** The network for which a connection from this address counts. `undefined` for a trusted proxy, which many clients share. */
  networkOf(socketAddress: string | undefined): string | undefined {
    if (socketAddress !== undefined && this.isTrusted(socketAddress)) return undefined;
    return this.resolve(socketAddress, () => null).network;
  }

  /** Reads from the nearest hop outwards. A hop that is not an address ends it: further hops cannot be trusted. */
  #behindProxies(socket: IpAddress, header: string): IpAddress {
    let nearest = socket;
    let hops = 0;
    for (const hop of this.header === "forwarded" ? forwardedHops(header) : forwardedForHops(header)) {
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

/** The hops of X-Forwarded-For, the nearest first. */
function* forwardedForHops(header: string): Generator<string, void, undefined> {
  let end = header.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : header.lastIndexOf(",", end - 1);
    yield withoutPort(header.slice(comma + 1, end).trim());
    end = comma;
  }
}

/** Some proxies add the port: `192.0.2.1:1234`, `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}

function peerAt(address: IpAddress): Peer {
  const text = formatIp(address);
  return { address: text, network: address.family === 4 ? text : formatSlash64(address) };
}
