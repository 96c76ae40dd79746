import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMPILER = Bun.which("cc");

/** The reason to skip tests with a moving name; `undefined` if they can run. */
export const NO_MOVING_NAME =
  process.platform !== "linux" || COMPILER === null ? "a moving name needs Linux and a C compiler" : undefined;

/** Replaces getaddrinfo: resolves one name from a file, and passes all others to the system. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  resolver next = (resolver)dlsym(RTLD_NEXT, "getaddrinfo");
  char address[64] = "";
  if (node == NULL || strcmp(node, getenv("TEST_NAME")) != 0) return next(node, service, hints, result);
  FILE *file = fopen(getenv("TEST_ADDRESS"), "r");
  if (file == NULL || fgets(address, sizeof address, file) == NULL) return EAI_NONAME;
  fclose(file);
  return next(address, service, hints, result);
}
`;

/** A host name whose address the test sets, for processes that are started with `env`. */
export class MovingName {
  readonly name = "backend.test";
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.env = { TEST_NAME: this.name, TEST_ADDRESS: join(folder, "address"), LD_PRELOAD: join(folder, "name.so") };
  }

  static async open(address: string): Promise<MovingName> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-name-"));
    const source = join(folder, "name.c");
    await Bun.write(source, SHIM);
    const compiled = Bun.spawnSync([
      COMPILER ?? "cc",
      "-shared",
      "-fPIC",
      "-O1",
      "-o",
      join(folder, "name.so"),
      source,
      "-ldl",
    ]);
    if (!compiled.success) throw new Error(`the name does not compile: ${compiled.stderr}`);
    const name = new MovingName(folder);
    await name.moveTo(address);
    return name;
  }

  async moveTo(address: string): Promise<void> {
    await Bun.write(join(this.#folder, "address"), address);
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
