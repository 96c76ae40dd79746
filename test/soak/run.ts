/**
 * `bun run soak [--each N] [--vanish] [--verbose]` runs 100,000 abrupt disconnects of every kind (N of each kind) against a gateway in its own
 * process, on two ports without TLS. Then it runs a quarter as many on two ports with TLS, on one port, and on one port with TLS. The exit code
 * is 1 if a stream, a file descriptor or memory is left. Vanishing clients need root and iproute2, for network namespaces. Without them this
 * kind is left out; with `--vanish` that is an error.
 *
 * `bun run soak --chaos [--kills N] [--verbose]` kills 1,000 workers of a gateway under load instead, within ten minutes. The exit code is 1 if
 * a guarantee was broken. Linux only.
 */
import { parseArgs } from "node:util";
import { type Figure, holds, table } from "../bench/benchmark.ts";
import { runChaos } from "./chaos/run.ts";
import { type Namespaces, openNamespaces } from "./namespaces.ts";
import { soak } from "./soak.ts";
import { SETTINGS } from "./testbed.ts";

/** Of each of the 18 kinds: 100,000 in one process, without vanishing clients. */
const CYCLES_OF_EACH = 5600;
/** The part of these cycles in each further setting. */
const OTHER_SETTINGS_PART = 0.25;
/** Concurrent streams per carrier. On one port over HTTP/1.1 each needs three file descriptors; this is far below RLIMIT_NOFILE. */
const WAVE = 1000;

const CHAOS_KILLS = 1000;

const LEFT_OUT = "left out: vanishing clients, which need root and iproute2 (an error with --vanish)";

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
    options: {
      each: { type: "string" },
      vanish: { type: "boolean", default: false },
      chaos: { type: "boolean" },
      kills: { type: "string" },
      verbose: { type: "boolean", default: false },
    },
  });
  if (values.chaos) return chaosMain(values.kills, values.verbose);
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
      const report = (line: string) => (values.verbose ? console.log(`    ${line}`) : undefined);
      const cyclesOfEach = n === 0 ? each : Math.ceil(each * OTHER_SETTINGS_PART);
      const outcome = await soak(setting, { cyclesOfEach, wave: WAVE }, namespaces, report);
      const seconds = Math.round((performance.now() - since) / 1000);
      console.log(table({ name: setting.name, about: `open at the end: ${outcome.files} (${seconds} s)` }, outcome.figures));
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

async function chaosMain(given: string | undefined, isVerbose: boolean): Promise<number> {
  const kills = Number(given ?? CHAOS_KILLS);
  if (Number.isSafeInteger(kills) && kills >= 1) return runChaos(kills, isVerbose);
  console.error(`soak: --kills is ${given}, expected a number of kills`);
  return 2;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
