import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../src/main.ts");

/** A command line that starts a worker and appends its log to a file. */
export class WorkerOutput {
  readonly #folder = mkdtempSync(join(tmpdir(), "sallyport-workers-"));
  readonly #file = join(this.#folder, "log");
  readonly command = ["/bin/sh", "-c", 'exec "$@" >> "$0"', this.#file, process.execPath, MAIN, "worker"];

  constructor() {
    writeFileSync(this.#file, "");
  }

  /** The log lines of all workers so far. */
  text(): string {
    return readFileSync(this.#file, "utf8");
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
