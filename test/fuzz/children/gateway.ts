/**
 * A gateway with its backend in its own process. Prints its URLs as JSON. For each line on standard input it prints its memory after a garbage
 * collection and the errors of its log.
 */
import { heapStats } from "bun:jsc";
import { openWorld } from "../../support/world.ts";

const onePort = process.argv[2] === "same-port";
const world = await openWorld(onePort ? { "edge.grpc": "same-port" } : {});
console.log(
  JSON.stringify({ edgeUrl: world.gateway.edgeUrl, grpcUrl: world.gateway.grpcUrl, backendUrl: world.backend.restUrl }),
);
for await (const _ of console) {
  Bun.gc(true);
  await Bun.sleep(20);
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  const errors = world
    .logged()
    .split("\n")
    .filter((line) => line.includes('"level":"error"'));
  console.log(JSON.stringify({ heapBytes: heapSize + extraMemorySize, residentBytes: process.memoryUsage.rss(), errors }));
}
await world.close();
