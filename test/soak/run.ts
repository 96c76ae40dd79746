/**
 * `bun run soak [--each N] [--vanish] [--verbose]`: clients that leave in every rude way there is, a hundred thousand of them and more (N: of each kind), against a
 * gateway in a process of its own, on two ports and on one, without TLS and with it. In the end no stream, no file and no memory is left
 * of them; exit 1 where any is. Clients that vanish take root and iproute2, for network namespaces; without, that kind is left out, or with
 * `--vanish` an error.
 */
import { parseArgs } from "node:util";
import { type Figure, holds, table } from "../bench/benchmark.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";
import { soak } from "./soak.ts";
import { SETTINGS } from "./stage.ts";

/** Over 22 kinds and the vanishing of 3 carriers, a hundred thousand in all. */
const CYCLES_OF_EACH = 4000;
/** Streams of a carrier at once: on one port, with three files each over HTTP/1.1, well within what a process may open. */
const WAVE = 1000;

function namespacesIfAllowed(mustVanish: boolean): Namespaces | undefined {
  try {
    return openNamespaces();
  } catch (error) {
    if (mustVanish) throw error;
    console.warn(`soak: clients that vanish are left out, for they take root and iproute2 (${error})\n`);
    return undefined;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { each: { type: "string" }, vanish: { type: "boolean", default: false }, verbose: { type: "boolean" } },
  });
  const size = { cyclesOfEach: Number(values.each ?? CYCLES_OF_EACH), wave: WAVE };
  if (!Number.isSafeInteger(size.cyclesOfEach) || size.cyclesOfEach < 1) {
    console.error(`soak: --each is ${values.each}, expected a number of cycles`);
    return 2;
  }
  const namespaces = namespacesIfAllowed(values.vanish);
  const all: Figure[] = [];
  let cycles = 0;
  try {
    for (const setting of SETTINGS) {
      const since = performance.now();
      const say = (line: string) => (values.verbose ? console.log(`    ${line}`) : undefined);
      const outcome = await soak(setting, size, namespaces, say);
      const seconds = Math.round((performance.now() - since) / 1000);
      console.log(table({ name: setting.name, about: `open in the end: ${outcome.files} (${seconds} s)` }, outcome.figures));
      all.push(...outcome.figures);
      cycles += outcome.cycles;
    }
  } finally {
    namespaces?.remove();
  }
  console.log(`${cycles.toLocaleString("en")} cycles in all, warm-up not counted`);
  return all.every(holds) ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
