import type { Figure } from "../bench/benchmark.ts";
import type { DisconnectKind } from "./disconnect-kind.ts";
import { CLEARTEXT_KINDS, KINDS } from "./disconnect-kinds.ts";
import { describe, total } from "./files.ts";
import { type Leftover, leftoverOf } from "./measure.ts";
import type { Namespaces } from "./namespaces.ts";
import { openTestbed, type Setting, type Testbed } from "./testbed.ts";
import { vanish } from "./vanish.ts";

export interface Size {
  /** Cycles of each kind. */
  readonly cyclesOfEach: number;
  /** Streams per carrier that vanish together. */
  readonly wave: number;
}

/**
 * Cycles of each kind before the first measurement, as few as suffice. Measured over 18 kinds without TLS and vanishing: 96 MiB after 500 cycles
 * of each, 101 after 1600, 105 after 5000, 106 after 7200, at most 108 (after 12,800), and 106 after 17,200. The JavaScript heap went from 25 to
 * 23 MiB. With 500 cycles of warm-up, growth comes within one per cent of the bound; with 1000 it stays far below.
 */
const WARM_UP_CYCLES_OF_EACH = 1000;
/** The measured cycles run in laps, each with all kinds, so that memory is known per lap. */
const LAPS = 10;
const MEMORY_BOUND = 1.1;
const MIB = 1024 * 1024;

/** The sums over laps. */
interface Tally {
  cycles: number;
  streams: number;
  /** The longest time until a wave of vanished clients was detected; `undefined` if none vanished. */
  detectedMs: number | undefined;
}

export interface Outcome {
  readonly cycles: number;
  readonly figures: readonly Figure[];
  /** The file descriptors that are open at the end, as text. */
  readonly files: string;
}

/**
 * Runs every kind of disconnect against a gateway in one setting. The start is measured after a warm-up lap and a wave of full size: the code is
 * compiled, tables are written to, and the allocator's pools have their final size. Later laps open no more clients concurrently, so memory or
 * file descriptors that they add are leaks.
 */
export async function soak(setting: Setting, size: Size, namespaces: Namespaces | undefined, report: Report): Promise<Outcome> {
  const testbed = await openTestbed(setting, namespaces);
  const kinds = setting.tls ? KINDS : CLEARTEXT_KINDS;
  const tally = (): Tally => ({ cycles: 0, streams: 0, detectedMs: undefined });
  const [first, main] = [tally(), tally()];
  const vanishing = async (into: Tally) => {
    if (namespaces !== undefined) await wave(testbed, namespaces, size.wave, into);
  };
  try {
    const cold = await leftoverOf(testbed);
    await lap(testbed, kinds, WARM_UP_CYCLES_OF_EACH, first);
    await vanishing(first);
    const start = await leftoverOf(testbed);
    let halfTime = start;
    const waves = Math.ceil(size.cyclesOfEach / size.wave);
    for (let n = 0; n < LAPS; n++) {
      await lap(testbed, kinds, Math.ceil(size.cyclesOfEach / LAPS), main);
      for (let wave = Math.ceil((n * waves) / LAPS); wave < ((n + 1) * waves) / LAPS; wave++) await vanishing(main);
      const now = await leftoverOf(testbed);
      if (n + 1 === LAPS / 2) halfTime = now;
      report(`${main.cycles} cycles: memory ${(now.residentBytes / MIB).toFixed(1)} MiB`);
    }
    const end = await leftoverOf(testbed, total(start.files));
    const ended = await testbed.gateway.ask("metric", "sallyport_streams_ended_total");
    const unaccounted = first.streams + main.streams - ended;
    return {
      cycles: main.cycles,
      figures: figures({ cold, start, halfTime, end, main, unaccounted }),
      files: describe(end.files),
    };
  } finally {
    await testbed.close();
  }
}

type Report = (line: string) => void;

/** Runs this many cycles of each kind. */
async function lap({ clients }: Testbed, kinds: readonly DisconnectKind[], cyclesOfEach: number, tally: Tally): Promise<void> {
  for (const { name } of kinds) {
    const done = await clients.ask("disconnect", { name, cycles: cyclesOfEach });
    tally.cycles += done.cycles;
    tally.streams += done.streams;
  }
}

/** Lets this many streams per carrier vanish together. */
async function wave(testbed: Testbed, namespaces: Namespaces, streamsOfEach: number, tally: Tally): Promise<void> {
  const { streams, detectedMs } = await vanish(testbed, namespaces, streamsOfEach);
  tally.cycles += streams;
  tally.streams += streams;
  tally.detectedMs = Math.max(tally.detectedMs ?? 0, detectedMs);
}

interface Measured {
  readonly cold: Leftover;
  readonly start: Leftover;
  readonly halfTime: Leftover;
  readonly end: Leftover;
  readonly main: Tally;
  readonly unaccounted: number;
}

function figures({ cold, start, halfTime, end, main, unaccounted }: Measured): readonly Figure[] {
  const mib = ({ residentBytes }: Leftover) => residentBytes / MIB;
  return [
    { figure: "cycles", value: main.cycles, unit: "cycles" },
    { figure: "streams opened", value: main.streams, unit: "streams" },
    ...(main.detectedMs === undefined
      ? []
      : [{ figure: "vanished clients are detected in, at most", value: main.detectedMs, unit: "ms" }]),
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
