export interface NetworkMember {
  /**
   * `undefined` for a connection of a trusted proxy. Many clients share a trusted proxy, so each of its connections counts as a
   * separate network.
   */
  readonly network: string | undefined;
}

export interface ConnectionMaxima {
  readonly totalMax: number;
  readonly perNetworkMax: number;
}

/** The limit that was exceeded: `network` stands for `perNetworkMax`, `total` stands for `totalMax`. */
export type ConnectionBound = "network" | "total";

export interface ShedConnection<Connection> {
  readonly connection: Connection;
  readonly bound: ConnectionBound;
}

/**
 * The fair share of one network, as a fraction of `totalMax`. If `totalMax` is exceeded, connections are closed in this order:
 *
 * - the newest connections of networks that exceed their fair share
 * - the newest of all other connections
 *
 * Thus a network within its fair share keeps its older connections, even if many other networks open new connections.
 */
export const FAIR_SHARE = 1 / 64;

/**
 * Selects the connections to close.
 *
 * - If a network exceeds `perNetworkMax`, its newest connections are closed.
 * - If `totalMax` is exceeded, networks over their fair share (`FAIR_SHARE`) lose their newest connections. The network with
 *   the most connections is the first.
 * - If `totalMax` is still exceeded, the newest of all connections are closed.
 */
export function connectionsToShed<Connection extends NetworkMember>(
  oldestFirst: Iterable<Connection>,
  { totalMax, perNetworkMax }: ConnectionMaxima,
): readonly ShedConnection<Connection>[] {
  const ranked = rankByNetwork(oldestFirst);
  const overNetwork = ranked.filter(({ rank }) => rank > perNetworkMax);
  const within = ranked.filter(({ rank }) => rank <= perNetworkMax);
  const kept = Math.max(Math.min(totalMax, within.length), 0);
  const fairMax = Math.ceil(totalMax * FAIR_SHARE);
  const unfairRank = ({ rank }: { rank: number }) => (rank > fairMax ? rank : 0);
  // The sort is stable: connections with the same unfair rank stay sorted by age. `slice` thus selects the newest of them.
  const overTotal = kept < within.length ? within.toSorted((a, b) => unfairRank(a) - unfairRank(b)).slice(kept) : [];
  return [
    ...overNetwork.map(({ connection }) => ({ connection, bound: "network" }) as const),
    ...overTotal.map(({ connection }) => ({ connection, bound: "total" }) as const),
  ];
}

/**
 * Numbers the connections of each network by age. The oldest connection of a network has rank 1. A connection of a trusted
 * proxy always has rank 1.
 */
export function rankByNetwork<Connection extends NetworkMember>(oldestFirst: Iterable<Connection>) {
  const ranked: { connection: Connection; rank: number }[] = [];
  const counts = new Map<string, number>();
  for (const connection of oldestFirst) {
    const { network } = connection;
    const rank = network === undefined ? 1 : (counts.get(network) ?? 0) + 1;
    if (network !== undefined) counts.set(network, rank);
    ranked.push({ connection, rank });
  }
  return ranked;
}
