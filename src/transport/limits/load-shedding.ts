/** A connection that counts for a network. */
export interface NetworkMember {
  /** `undefined`: a trusted proxy's connection. Each one counts as the only connection of a network, since many clients share the proxy. */
  readonly network: string | undefined;
}

export interface ConnectionMaxima {
  readonly totalMax: number;
  readonly perNetworkMax: number;
}

/** The limit that is exceeded: the one per network, or the total. */
export type ConnectionBound = "network" | "total";

export interface ShedConnection<Connection> {
  readonly connection: Connection;
  readonly bound: ConnectionBound;
}

/**
 * Networks that hold more than this share of the total lose connections first. Below it, the oldest connections survive, so that many new
 * connections from many networks close no older one.
 */
const FAIR_SHARE = 1 / 64;

/**
 * Selects the connections to close. If a network exceeds its maximum: its newest. If the total is exceeded: the newest of the networks that
 * hold the most and exceed the fair share, then the newest of all.
 */
export function selectExcess<Connection extends NetworkMember>(
  oldestFirst: Iterable<Connection>,
  { totalMax, perNetworkMax }: ConnectionMaxima,
): readonly ShedConnection<Connection>[] {
  const ranked = rankByNetwork(oldestFirst);
  const overNetwork = ranked.filter(({ rank }) => rank > perNetworkMax);
  const within = ranked.filter(({ rank }) => rank <= perNetworkMax);
  const kept = Math.max(Math.min(totalMax, within.length), 0);
  const fairMax = Math.ceil(totalMax * FAIR_SHARE);
  const excess = ({ rank }: { rank: number }) => (rank > fairMax ? rank : 0);
  // The sort is stable: connections with the same excess stay in order of age.
  const overTotal = kept < within.length ? within.toSorted((a, b) => excess(a) - excess(b)).slice(kept) : [];
  return [
    ...overNetwork.map(({ connection }) => ({ connection, bound: "network" }) as const),
    ...overTotal.map(({ connection }) => ({ connection, bound: "total" }) as const),
  ];
}

/** Adds to each connection its position within its network; the oldest has 1. */
function rankByNetwork<Connection extends NetworkMember>(oldestFirst: Iterable<Connection>) {
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
