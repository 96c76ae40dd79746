import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileExecutable } from "../../support/compile.ts";
import type { Figure, Scale } from "../benchmark.ts";
import type { Child } from "../child.ts";
import { startGateway } from "./gateway.ts";
import { childrenOf, privateMb } from "./process-figures.ts";

const MAIN = join(import.meta.dir, "../../../src/main.ts");
const WORKER_MB_BOUND = 25;
/** From source, Bun also holds the source text, and all code of the dependencies. */
const SOURCE_MB_BOUND = 38;

/** Memory of an idle worker that no other process shares: of the executable, and of the source. */
export async function workerMemory(backend: Child, scale: Scale): Promise<Figure[]> {
  const fromSource = {
    figure: "private memory of an idle worker, from source",
    value: await privateMbOf(backend, undefined),
    unit: "MB",
    bound: SOURCE_MB_BOUND,
  };
  if (scale === "small") return [fromSource];
  const folder = mkdtempSync(join(tmpdir(), "sallyport-bench-"));
  try {
    const outfile = join(folder, "sallyport");
    const built = await compileExecutable(MAIN, outfile);
    if (!built.success) throw new Error(built.logs.map(({ message }) => message).join("\n"));
    const value = await privateMbOf(backend, [outfile]);
    return [{ figure: "private memory of an idle worker", value, unit: "MB", bound: WORKER_MB_BOUND }, fromSource];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function privateMbOf(backend: Child, command: readonly string[] | undefined): Promise<number> {
  const gateway = await startGateway(backend, 2, {}, { command });
  const value = Math.max(...childrenOf(gateway.pid).map(privateMb));
  await gateway.stop();
  return value;
}
