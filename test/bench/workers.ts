import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import type { Benchmark, Figure, Scale } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { commands } from "./workers/commands.ts";
import { idleStreams } from "./workers/idle-streams.ts";
import { sharedTable } from "./workers/shared-table.ts";
import { signatures } from "./workers/signatures.ts";
import { workerMemory } from "./workers/worker-memory.ts";

/** What several workers cost, and what they share. Linux only. */
export const workers: Benchmark = {
  name: "workers",
  about: "two workers against one process and two separate gateways, two processes on one shared table, memory, idle streams",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const figures = [...(await sharedTable(scale))];
    const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
    const pushBackend = await startChild("push-backend", { publicKey: DEVICE_PUBLIC_KEY });
    try {
      figures.push(...(await commands(backend, scale)), ...(await workerMemory(backend, scale)));
      figures.push(...(await signatures(pushBackend)), ...(await idleStreams(pushBackend, scale)));
      return figures;
    } finally {
      await Promise.all([backend.stop(), pushBackend.stop()]);
    }
  },
};
