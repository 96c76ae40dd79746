/**
 * A gateway with its backend in its own process. Prints its URLs as JSON. Each line on standard input is a question; prints the answer as JSON.
 */
import { heapStats } from "bun:jsc";
import { PEAK_MEMORY } from "../../support/peak-memory.ts";
import { openWorld } from "../../support/world.ts";

const onePort = process.argv[2] === "same-port";
const world = await openWorld(onePort ? { "edge.grpc": "same-port" } : {});

const ANSWERS: Readonly<Record<string, () => unknown>> = {
  ...PEAK_MEMORY,
  cpuMicros() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  /** After a garbage collection. */
  async memory() {
    Bun.gc(true);
    await Bun.sleep(20);
    Bun.gc(true);
    const { heapSize, extraMemorySize } = heapStats();
    const errors = world
      .logged()
      .split("\n")
      .filter((line) => line.includes('"level":"error"'));
    return { heapBytes: heapSize + extraMemorySize, residentBytes: process.memoryUsage.rss(), errors };
  },
};

console.log(
  JSON.stringify({ edgeUrl: world.gateway.edgeUrl, grpcUrl: world.gateway.grpcUrl, backendUrl: world.backend.restUrl }),
);
for await (const question of console) console.log(JSON.stringify(await ANSWERS[question]?.()));
await world.close();
