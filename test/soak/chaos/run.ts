import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holds, table } from "../../bench/benchmark.ts";
import { compileExecutable } from "../../support/compile.ts";
import { chaos } from "./chaos.ts";

const MAIN = join(import.meta.dir, "../../../src/main.ts");
const DURATION_MS = 600_000;
/** A worker that is killed again and again restarts after up to 10 s. So most of them wait. */
const WORKERS = 16;
const STREAMS = 8;

/** `bun run soak --chaos`: the executable, for ten minutes. Resolves to the exit code. */
export async function runChaos(kills: number, isVerbose: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-chaos-"));
  try {
    const outfile = join(folder, "sallyport");
    const built = await compileExecutable(MAIN, outfile);
    if (!built.success) throw new Error(built.logs.map(({ message }) => message).join("\n"));
    const figures = await chaos({
      kills,
      overMs: DURATION_MS,
      workers: WORKERS,
      streams: STREAMS,
      command: [outfile],
      report: (line) => (isVerbose ? console.log(`    ${line}`) : undefined),
    });
    console.log(table({ name: "chaos", about: "workers are killed under load" }, figures));
    return figures.every(holds) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
