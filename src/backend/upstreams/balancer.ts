export interface Target {
  /** Share of the calls, relative to the other targets. */
  readonly weight: number;
  /** Number of running calls. */
  readonly active: number;
  /** The weight is multiplied by this factor, which is from 0 to 1. It is below 1 during the slow start of the target. */
  readonly warmth: number;
}

/**
 * Chooses the target of a call. Two targets are drawn, and the one with fewer running calls is chosen (Envoy, "Weighted least
 * request load balancer", power of two choices).
 *
 * The first target is drawn by weight. The second target is drawn among the others with the same weight. So targets of equal weight
 * balance by load, and targets of another weight, such as a canary, get exactly their share.
 */
export function choose<T extends Target>(targets: readonly T[], random: () => number): T | undefined {
  const [only] = targets;
  if (targets.length <= 1) return only;
  const first = drawByWeight(targets, random);
  const second = first && drawPeer(targets, first, random);
  if (first === undefined || second === undefined || second.active >= first.active) return first;
  // A target in its slow start has few running calls, so it would win too often. It wins only with the probability `warmth`.
  return second.warmth === 1 || random() < second.warmth ? second : first;
}

function drawByWeight<T extends Target>(targets: readonly T[], random: () => number): T | undefined {
  let total = 0;
  for (const { weight, warmth } of targets) total += weight * warmth;
  let left = random() * total;
  for (const target of targets) {
    left -= target.weight * target.warmth;
    if (left < 0) return target;
  }
  return targets.at(-1);
}

/** Draws another target with the same weight. Returns `undefined` if there is none. */
function drawPeer<T extends Target>(targets: readonly T[], first: T, random: () => number): T | undefined {
  let peers = 0;
  for (const target of targets) if (target !== first && target.weight === first.weight) peers++;
  if (peers === 0) return undefined;
  let left = Math.floor(random() * peers);
  return targets.find((target) => target !== first && target.weight === first.weight && left-- === 0);
}
