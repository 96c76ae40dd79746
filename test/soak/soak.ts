import type { Figure } from "../bench/benchmark.ts";
import { describe, total } from "./files.ts";
import { CLEARTEXT_KINDS, KINDS } from "./kinds.ts";
import { type Rest, rest } from "./measure.ts";
import type { Namespaces } from "./namespaces.ts";
import type { RudeKind } from "./rude-kind.ts";
import { openStage, type Setting, type Stage } from "./stage.ts";
import { vanish } from "./vanish.ts";

export interface Size {
  /** Cycles of each kind. */
  readonly cyclesOfEach: number;
  /** Streams over each carrier that vanish at once. */
  readonly wave: number;
}

/**
 * Cycles of each kind before the start is measured: no more than it takes. Over 18 kinds without TLS and without vanishing, the process held
 * 96 MiB after 500 of each, 101 after 1600, 105 after 5000, 106 after 7200, never more than 108 (after 12,800), and 106 after 17,200; its
 * JavaScript heap went from 25 to 23 MiB meanwhile. From 500 on it would come to within one per cent of the bound; from 1000 on it stays well
 * below.
 */
const WARM_UP_CYCLES_OF_EACH = 1000;
/** What is measured comes in so many laps, each of all kinds, so that memory can be told from lap to lap. */
const LAPS = 10;
const MEMORY_BOUND = 1.1;
const MIB = 1024 * 1024;

/** What laps came to. */
interface Tally {
  cycles: number;
  streams: number;
  /** The longest that a wave of vanished clients took to be missed; `undefined` where none vanished. */
  missedMs: number | undefined;
}

export interface Outcome {
  readonly cycles: number;
  readonly figures: readonly Figure[];
  /** What the gateway holds open in the end, for people. */
  readonly files: string;
}

/**
 * Every rude kind against a gateway in one setting. The start is measured after a first lap of all of it, a wave of full size included:
 * by then the code is compiled, tables are touched, and the allocator's pools are as large as so many clients at once make them.
 * Laps that follow open no more at once, so that what they add to memory or files is what they leave behind.
 */
export async function soak(setting: Setting, size: Size, namespaces: Namespaces | undefined, say: Say): Promise<Outcome> {
  const stage = await openStage(setting, namespaces);
  const kinds = setting.tls ? KINDS : CLEARTEXT_KINDS;
  const tally = (): Tally => ({ cycles: 0, streams: 0, missedMs: undefined });
  const [first, main] = [tally(), tally()];
  const vanishing = async (into: Tally) => {
    if (namespaces !== undefined) await wave(stage, namespaces, size.wave, into);
  };
  try {
    const cold = await rest(stage);
    await lap(stage, kinds, WARM_UP_CYCLES_OF_EACH, first);
    await vanishing(first);
    const start = await rest(stage);
    let halfTime = start;
    const waves = Math.ceil(size.cyclesOfEach / size.wave);
    for (let n = 0; n < LAPS; n++) {
      await lap(stage, kinds, Math.ceil(size.cyclesOfEach / LAPS), main);
      for (let wave = Math.ceil((n * waves) / LAPS); wave < ((n + 1) * waves) / LAPS; wave++) await vanishing(main);
      const now = await rest(stage);
      if (n + 1 === LAPS / 2) halfTime = now;
      say(`${main.cycles} cycles: memory ${(now.residentBytes / MIB).toFixed(1)} MiB`);
    }
    const end = await rest(stage, total(start.files));
    const ended = await stage.gateway.ask("metric", "sallyport_streams_ended_total");
    const unaccounted = first.streams + main.streams - ended;
    return {
      cycles: main.cycles,
      figures: figures({ cold, start, halfTime, end, main, unaccounted }),
      files: describe(end.files),
    };
  } finally {
    await stage.close();
  }
}

type Say = (line: string) => void;

/** So many cycles of each kind. */
async function lap({ clients }: Stage, kinds: readonly RudeKind[], cyclesOfEach: number, tally: Tally): Promise<void> {
  for (const { name } of kinds) {
    const done = await clients.ask("leave", { name, cycles: cyclesOfEach });
    tally.cycles += done.cycles;
    tally.streams += done.streams;
  }
}

/** So many streams over each carrier vanish at once. */
async function wave(stage: Stage, namespaces: Namespaces, streamsOfEach: number, tally: Tally): Promise<void> {
  const { streams, missedMs } = await vanish(stage, namespaces, streamsOfEach);
  tally.cycles += streams;
  tally.streams += streams;
  tally.missedMs = Math.max(tally.missedMs ?? 0, missedMs);
}

interface Measured {
  readonly cold: Rest;
  readonly start: Rest;
  readonly halfTime: Rest;
  readonly end: Rest;
  readonly main: Tally;
  readonly unaccounted: number;
}

function figures({ cold, start, halfTime, end, main, unaccounted }: Measured): readonly Figure[] {
  const mib = ({ residentBytes }: Rest) => residentBytes / MIB;
  return [
    { figure: "cycles", value: main.cycles, unit: "cycles" },
    { figure: "streams opened", value: main.streams, unit: "streams" },
    ...(main.missedMs === undefined
      ? []
      : [{ figure: "vanished clients are missed in, at most", value: main.missedMs, unit: "ms" }]),
    { figure: "streams left", value: end.streams, unit: "streams", bound: 0 },
    { figure: "streams that did not end once", value: Math.abs(unaccounted), unit: "streams", bound: 0 },
    { figure: "memory of the empty process", value: mib(cold), unit: "MiB" },
    { figure: "memory at the start, warmed up", value: mib(start), unit: "MiB" },
    { figure: "memory at half-time", value: mib(halfTime), unit: "MiB" },
    { figure: "memory at the end", value: mib(end), unit: "MiB" },
    { figure: "end / start", value: mib(end) / mib(start), unit: "ratio", bound: MEMORY_BOUND },
    { figure: "files open at the start", value: total(start.files), unit: "files" },
    { figure: "files left over", value: Math.max(0, total(end.files) - total(start.files)), unit: "files", bound: 0 },
  ];
}
