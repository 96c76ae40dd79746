/**
 * `bun run soak [--each N] [--vanish] [--verbose]`: clients that leave in every rude way there is, a hundred thousand of them (N: of each
 * kind) against one gateway in a process of its own, on two ports without TLS; then a quarter as many against one with TLS, on one port, and
 * on one port with TLS. In the end no stream, no file and no memory is left of them; exit 1 where any is. Clients that vanish take root and
 * iproute2, for network namespaces; without, that kind is left out, or with `--vanish` an error.
 */
import { parseArgs } from "node:util";
import { type Figure, holds, table } from "../bench/benchmark.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";
import { soak } from "./soak.ts";
import { SETTINGS } from "./stage.ts";

/** Of 18 kinds a hundred thousand in one process, those that vanish not counted. */
const CYCLES_OF_EACH = 5600;
/** In the settings after the first. */
const PART_OF_OTHERS = 0.25;
/** Streams of a carrier at once: on one port, with three files each over HTTP/1.1, well within what a process may open. */
const WAVE = 1000;

const LEFT_OUT = "LEFT OUT: clients that vanish, which take root and iproute2; with --vanish this is an error";

function namespacesIfAllowed(mustVanish: boolean): Namespaces | undefined {
  try {
    return openNamespaces();
  } catch (error) {
    if (mustVanish) throw error;
    console.warn(`soak: ${LEFT_OUT} (${error})\n`);
    return undefined;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { each: { type: "string" }, vanish: { type: "boolean", default: false }, verbose: { type: "boolean" } },
  });
  const each = Number(values.each ?? CYCLES_OF_EACH);
  if (!Number.isSafeInteger(each) || each < 1) {
    console.error(`soak: --each is ${values.each}, expected a number of cycles`);
    return 2;
  }
  const namespaces = namespacesIfAllowed(values.vanish);
  const all: Figure[] = [];
  const cycles: number[] = [];
  try {
    for (const [n, setting] of SETTINGS.entries()) {
      const since = performance.now();
      const say = (line: string) => (values.verbose ? console.log(`    ${line}`) : undefined);
      const cyclesOfEach = n === 0 ? each : Math.ceil(each * PART_OF_OTHERS);
      const outcome = await soak(setting, { cyclesOfEach, wave: WAVE }, namespaces, say);
      const seconds = Math.round((performance.now() - since) / 1000);
      console.log(table({ name: setting.name, about: `open in the end: ${outcome.files} (${seconds} s)` }, outcome.figures));
      all.push(...outcome.figures);
      cycles.push(outcome.cycles);
    }
  } finally {
    namespaces?.remove();
  }
  const [first = 0] = cycles;
  const sum = cycles.reduce((a, b) => a + b, 0);
  console.log(`${first.toLocaleString("en")} cycles in one process, ${sum.toLocaleString("en")} in all, warm-up not counted`);
  if (namespaces === undefined) console.log(LEFT_OUT);
  return all.every(holds) ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
