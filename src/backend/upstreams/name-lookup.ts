import { promises as dns } from "node:dns";
import type { DnsSettings } from "./settings.ts";

export interface FoundAddresses {
  /** The addresses, sorted. */
  readonly addresses: readonly string[];
  /** Shortest TTL of the records, in ms. `undefined` if the resolver returns no TTL. */
  readonly ttlMs: number | undefined;
}

const QUERY_TIMEOUT_MS = 2000;
const TRIES = 2;
/** Maximum number of addresses of one name. Each address uses a few kilobytes of memory. */
const ADDRESSES_MAX = 256;

/**
 * Looks up the addresses of a name. Returns the IPv4 addresses. If there are none, returns the IPv6 addresses. Throws if the name
 * has no address.
 */
export async function lookUpName(name: string, { servers }: DnsSettings): Promise<FoundAddresses> {
  const found = await (servers.length === 0 ? bySystem(name) : byServers(name, servers));
  const addresses = [...new Set(found.addresses)].sort().slice(0, ADDRESSES_MAX);
  return { addresses, ttlMs: found.ttlMs };
}

/** Asks the system's resolver, which uses /etc/hosts and search domains. This resolver returns no TTL. */
async function bySystem(name: string): Promise<FoundAddresses> {
  const all = await dns.lookup(name, { all: true });
  const ipv4 = all.filter(({ family }) => family === 4);
  return { addresses: (ipv4.length > 0 ? ipv4 : all).map(({ address }) => address), ttlMs: undefined };
}

async function byServers(name: string, servers: readonly string[]): Promise<FoundAddresses> {
  const resolver = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: TRIES });
  resolver.setServers(servers);
  const [ipv4, ipv6] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = [ipv4, ipv6].find((each) => each.status === "fulfilled" && each.value.length > 0);
  if (records?.status !== "fulfilled") throw ipv4.status === "rejected" ? ipv4.reason : new Error("no address");
  const ttlMs = Math.min(...records.value.map(({ ttl }) => ttl)) * 1000;
  return { addresses: records.value.map(({ address }) => address), ttlMs };
}
