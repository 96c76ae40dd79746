/** `bun run bench [NAME…] [--json] [--long]`: exit 1 where a bound does not hold. */
import { admission } from "./admission.ts";
import { type Benchmark, type Figure, holds, jsonLine, table } from "./benchmark.ts";
import { execute } from "./execute.ts";
import { memory } from "./memory.ts";
import { mux } from "./mux.ts";
import { push } from "./push.ts";
import { rpc } from "./rpc.ts";
import { slowReader } from "./slow-reader.ts";

export const BENCHMARKS: readonly Benchmark[] = [execute, rpc, mux, admission, push, slowReader, memory];

/**
 * What else the machine does only ever adds to a figure. So one that is over its bound is measured again, twice at most, before it
 * counts; a real loss stays over the bound however often it is measured.
 */
const ATTEMPTS_MAX = 3;

async function measure(benchmark: Benchmark, isLong: boolean): Promise<readonly Figure[]> {
  const run = () => (isLong && benchmark.runLong ? benchmark.runLong() : benchmark.run("full"));
  let figures = await run();
  for (let attempt = 2; attempt <= ATTEMPTS_MAX && !figures.every(holds); attempt++) {
    const over = figures.filter((figure) => !holds(figure)).map(({ figure, value }) => `${figure} ${value.toFixed(2)}`);
    console.error(`${benchmark.name}: over its bound (${over.join(", ")}); measuring again, attempt ${attempt}`);
    figures = await run();
  }
  return figures;
}

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = names.find((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) {
    console.error(`bench: there is no benchmark ${unknown}; there are ${BENCHMARKS.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  let allHold = true;
  for (const benchmark of BENCHMARKS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const figures = await measure(benchmark, args.includes("--long"));
    if (json) for (const figure of figures) console.log(jsonLine(benchmark.name, figure));
    else console.log(table(benchmark, figures));
    allHold &&= figures.every(holds);
  }
  return allHold ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
