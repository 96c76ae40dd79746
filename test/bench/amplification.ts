import { readCorpus } from "../fuzz/hostile/corpus.ts";
import type { HostileInput } from "../fuzz/hostile/input.ts";
import { ENTRANCES, waysOf } from "../fuzz/hostile/ways.ts";
import { WIRES, type WireInput } from "../fuzz/hostile/wire-shapes.ts";
import { memoryFigures, REQUEST_MICROS_MAX, refusedFigures, unverifiedFigures } from "./amplification/entrance-figures.ts";
import { type Gateways, startGateways } from "./amplification/gateways.ts";
import { type SearchOptions, search } from "./amplification/search.ts";
import { Subject } from "./amplification/subject.ts";
import type { Benchmark, Figure, Scale } from "./benchmark.ts";

interface Extent extends SearchOptions {
  /** Requests before the first measurement. */
  readonly warmUps: number;
  /** Measures every n-th way. */
  readonly wayStride: number;
  readonly wires: readonly WireInput[];
  readonly atOnce: number;
}

/** A request and a flood for each HTTP version. */
const FEW_WIRES = ["chunks of one byte", "60,000 chunks of one byte", "DATA of one byte", "PING"];

const EXTENTS: Readonly<Record<Scale, Extent>> = {
  full: {
    ...{ stride: 1, variations: 15, seed: 1, packed: false, boundMicros: REQUEST_MICROS_MAX },
    ...{ warmUps: 160, wayStride: 1, wires: WIRES, atOnce: 32 },
  },
  small: {
    ...{ stride: 150, variations: 1, seed: 1, packed: false, boundMicros: Number.MAX_VALUE },
    ...{ warmUps: 1, wayStride: 7, wires: WIRES.filter(({ name }) => FEW_WIRES.includes(name)), atOnce: 2 },
  },
};

/** Every path before the signature check, with its most expensive inputs. */
export const amplification: Benchmark = {
  name: "amplification",
  about: "CPU and memory of the most expensive requests that a search finds, on every path before the signature check",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const extent = EXTENTS[scale];
    const gateways = await startGateways();
    try {
      const inputs = await expensiveInputs(gateways, extent);
      const figures: Figure[] = [];
      for (const at of ENTRANCES.keys()) figures.push(...(await figuresAt(at, gateways, inputs, extent)));
      return figures;
    } finally {
      await gateways.stop();
    }
  },
};

async function expensiveInputs(gateways: Gateways, extent: Extent): Promise<HostileInput[]> {
  const [entrance] = ENTRANCES;
  if (entrance === undefined) return [];
  const subject = new Subject(gateways.of("roomy", entrance.port), entrance);
  await subject.warmUp(extent.warmUps);
  const found = await search(subject, readCorpus(), extent);
  subject.close();
  return [...new Set(found.map(({ input }) => input))];
}

async function figuresAt(at: number, gateways: Gateways, inputs: readonly HostileInput[], extent: Extent): Promise<Figure[]> {
  const entrance = ENTRANCES[at];
  if (entrance === undefined) return [];
  const unverified = new Subject(gateways.of("roomy", entrance.port), entrance);
  const refused = new Subject(gateways.of("spent", entrance.port), entrance);
  const { atOnce, boundMicros, wayStride, wires } = extent;
  const trial = { ways: waysOf(entrance).filter((_, n) => n % wayStride === 0), wires, inputs, atOnce, boundMicros };
  for (const subject of [unverified, refused]) await subject.warmUp(extent.warmUps);
  const figures = [
    ...(await unverifiedFigures(unverified, trial)),
    ...(await refusedFigures(refused, trial)),
    ...(await memoryFigures(unverified, trial)),
  ];
  for (const subject of [unverified, refused]) subject.close();
  return figures;
}
