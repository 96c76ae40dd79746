import type { Figure } from "../bench/benchmark.ts";
import { describe, total } from "./files.ts";
import { CARRIERS, CLEARTEXT_KINDS, KINDS } from "./kinds.ts";
import { type Rest, rest } from "./measure.ts";
import type { Namespaces } from "./namespaces.ts";
import { openStage, SETTINGS, type Setting, type Stage } from "./stage.ts";
import { vanish } from "./vanish.ts";

export interface Size {
  /** Cycles of each kind, over all settings. */
  readonly cyclesOfEach: number;
  /** Streams over each carrier that vanish at once. */
  readonly wave: number;
}

/**
 * Cycles of each kind in each setting before the start is measured, and more where many follow. From there on memory rises by some per cent
 * more and then stands: in one setting 102 MiB after 500 of each, 110 after 3500, and 115 to 116 from 9500 to 18,500, at a JavaScript heap
 * that does not grow. A fifth of what follows is far from hiding a leak: four fifths of it would show.
 */
const WARM_UP_CYCLES_MIN = 2000;
const WARM_UP_PART = 0.2;
const MEMORY_BOUND = 1.1;
const MIB = 1024 * 1024;

/** What one round of all kinds came to. */
interface Tally {
  cycles: number;
  streams: number;
  /** The longest that a wave of vanished clients took to be missed; 0 where there was none. */
  missedMs: number;
}

export interface Outcome {
  readonly cycles: number;
  readonly figures: readonly Figure[];
  /** What the gateway holds open in the end, for people. */
  readonly files: string;
}

/**
 * Every rude kind against a gateway in one setting. The start is measured after a first round of all of it, waves of full size included:
 * by then the code is compiled, tables are touched, and the allocator's pools are as large as so many clients at once make them.
 * Rounds that follow open no more at once, so that what they add to memory or files is what they leave behind.
 */
export async function soak(setting: Setting, size: Size, namespaces: Namespaces | undefined, say: Say): Promise<Outcome> {
  const stage = await openStage(setting, namespaces);
  const cycles = (settings: number) => Math.ceil(size.cyclesOfEach / settings);
  const warmUpCycles = Math.max(WARM_UP_CYCLES_MIN, Math.ceil(cycles(SETTINGS.length) * WARM_UP_PART));
  try {
    const cold = await rest(stage);
    const first = await round(stage, setting, { cycles: () => warmUpCycles, waves: 1, wave: size.wave }, namespaces, () => {});
    const start = await rest(stage);
    const waves = Math.ceil(size.cyclesOfEach / SETTINGS.length / size.wave);
    const main = await round(stage, setting, { cycles, waves, wave: size.wave }, namespaces, say);
    const end = await rest(stage, total(start.files));
    const ended = await stage.gateway.ask("metric", "sallyport_streams_ended_total");
    return {
      cycles: main.cycles,
      figures: figures({ cold, start, end, main, unaccounted: first.streams + main.streams - ended }),
      files: describe(end.files),
    };
  } finally {
    await stage.close();
  }
}

type Say = (line: string) => void;

interface Round {
  /** Cycles of a kind that there is in so many settings. */
  cycles(settings: number): number;
  readonly waves: number;
  readonly wave: number;
}

async function round(
  stage: Stage,
  setting: Setting,
  { cycles, wave, waves }: Round,
  namespaces: Namespaces | undefined,
  say: Say,
): Promise<Tally> {
  const tally: Tally = { cycles: 0, streams: 0, missedMs: 0 };
  for (const kind of setting.tls ? KINDS : CLEARTEXT_KINDS) {
    const settings = CLEARTEXT_KINDS.includes(kind) ? SETTINGS : SETTINGS.filter(({ tls }) => tls);
    const done = await stage.clients.ask("leave", { name: kind.name, cycles: cycles(settings.length) });
    tally.cycles += done.cycles;
    tally.streams += done.streams;
    const residentBytes = await stage.gateway.ask("residentBytes");
    say(`${kind.name}: ${done.cycles} cycles, memory ${(residentBytes / MIB).toFixed(1)} MiB`);
  }
  for (let n = 0; namespaces !== undefined && n < waves; n++) {
    const { streams, missedMs } = await vanish(stage, namespaces, wave);
    tally.cycles += streams;
    tally.streams += streams;
    tally.missedMs = Math.max(tally.missedMs, missedMs);
    say(`vanish: ${streams} streams over ${CARRIERS.length} carriers, missed in ${(missedMs / 1000).toFixed(1)} s`);
  }
  return tally;
}

interface Measured {
  readonly cold: Rest;
  readonly start: Rest;
  readonly end: Rest;
  readonly main: Tally;
  readonly unaccounted: number;
}

function figures({ cold, start, end, main, unaccounted }: Measured): readonly Figure[] {
  const mib = ({ residentBytes }: Rest) => residentBytes / MIB;
  return [
    { figure: "cycles", value: main.cycles, unit: "cycles" },
    { figure: "streams opened", value: main.streams, unit: "streams" },
    { figure: "vanished clients are missed in, at most", value: main.missedMs, unit: "ms" },
    { figure: "streams left", value: end.streams, unit: "streams", bound: 0 },
    { figure: "streams that did not end once", value: Math.abs(unaccounted), unit: "streams", bound: 0 },
    { figure: "memory of the empty process", value: mib(cold), unit: "MiB" },
    { figure: "memory at the start, warmed up", value: mib(start), unit: "MiB" },
    { figure: "memory at the end", value: mib(end), unit: "MiB" },
    { figure: "end / start", value: mib(end) / mib(start), unit: "ratio", bound: MEMORY_BOUND },
    { figure: "files open at the start", value: total(start.files), unit: "files" },
    { figure: "files left over", value: Math.max(0, total(end.files) - total(start.files)), unit: "files", bound: 0 },
  ];
}
