import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMPILER = Bun.which("cc");

/** The reason to skip tests that set the clock of Redis; `undefined` if they can run. */
export const NO_REDIS_CLOCK =
  process.platform !== "linux" || COMPILER === null ? "setting the clock of Redis needs Linux and a C compiler" : undefined;

/** Replaces gettimeofday: the time is the first 8 bytes of a file. libfaketime crashes with the allocator of Debian's Redis. */
const SHIM = `
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
static volatile int64_t *micros;
__attribute__((constructor)) static void attach(void) {
  micros = mmap(0, sizeof *micros, PROT_READ, MAP_SHARED, open(getenv("TEST_CLOCK"), O_RDONLY), 0);
}
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  int64_t now = *micros;
  time->tv_sec = now / 1000000;
  time->tv_usec = now % 1000000;
  return 0;
}
`;

/** The wall clock of a Redis process. It stands still until the test sets it. */
export class RedisClock {
  /** Environment variables for the server's process. */
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #file: number;
  #nowMs = 0;

  private constructor(folder: string) {
    const path = join(folder, "clock");
    this.#folder = folder;
    this.#file = openSync(path, "w+");
    this.env = { TEST_CLOCK: path, LD_PRELOAD: join(folder, "clock.so") };
  }

  static async open(): Promise<RedisClock> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-clock-"));
    const source = join(folder, "clock.c");
    await Bun.write(source, SHIM);
    const compiled = Bun.spawnSync([COMPILER ?? "cc", "-shared", "-fPIC", "-O1", "-o", join(folder, "clock.so"), source]);
    if (!compiled.success) throw new Error(`the clock does not compile: ${compiled.stderr}`);
    const clock = new RedisClock(folder);
    clock.set(Date.now());
    return clock;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs;
    writeSync(this.#file, new BigInt64Array([BigInt(nowMs) * 1000n]), 0, 8, 0);
  }

  async close(): Promise<void> {
    closeSync(this.#file);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
