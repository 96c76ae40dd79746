/** Whom a connection counts for. */
export interface Counted {
  /** `undefined`: a trusted proxy's, which brings everybody, so that each of its connections counts as somebody's only one. */
  readonly network: string | undefined;
}

export interface ConnectionBounds {
  readonly totalMax: number;
  readonly perNetworkMax: number;
}

/** What a connection is too many for. */
export type Bound = "network" | "total";

export interface Excess<Connection> {
  readonly connection: Connection;
  readonly bound: Bound;
}

/**
 * A network that holds more than this part of what fits in all is the first to give of it to others. Up to there the older live on, so that
 * a crowd of newcomers from everywhere drives nobody out.
 */
const MODEST_PART = 1 / 64;

/**
 * The connections over the bounds: of a network with too many, its newest; and where there are too many in all, the newest of the networks
 * that have the most and are not modest, then the newest.
 */
export function selectExcess<Connection extends Counted>(
  oldestFirst: Iterable<Connection>,
  { totalMax, perNetworkMax }: ConnectionBounds,
): readonly Excess<Connection>[] {
  const ranked = withRanks(oldestFirst);
  const overNetwork = ranked.filter(({ rank }) => rank > perNetworkMax);
  const within = ranked.filter(({ rank }) => rank <= perNetworkMax);
  const left = Math.max(Math.min(totalMax, within.length), 0);
  const modestMax = Math.ceil(totalMax * MODEST_PART);
  const greed = ({ rank }: { rank: number }) => (rank > modestMax ? rank : 0);
  // Of equal greed, the order stays that of age.
  const overTotal = left < within.length ? within.toSorted((a, b) => greed(a) - greed(b)).slice(left) : [];
  return [
    ...overNetwork.map(({ connection }) => ({ connection, bound: "network" }) as const),
    ...overTotal.map(({ connection }) => ({ connection, bound: "total" }) as const),
  ];
}

/** With each, the how many-th of its network it is, counted from the oldest. */
function withRanks<Connection extends Counted>(oldestFirst: Iterable<Connection>) {
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
