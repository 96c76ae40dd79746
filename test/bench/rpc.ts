import type { Benchmark, Figure, Scale } from "./benchmark.ts";
import { median } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { costOf, send } from "./load.ts";

const HANDWRITTEN_BOUND = 1.5;
const CONNECT_ES_BOUND = 1 / 3;

/** The RPC layer alone, with an echo handler: Connect proto over HTTP/1.1. */
export const rpc: Benchmark = {
  name: "rpc",
  about: "CPU per unary call of the RPC layer, against a handwritten handler and against connect-es's router",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 9, requests: 8000, warmUp: 30_000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const implementations = ["ours", "handwritten", "connectEs"] as const;
    const children = await Promise.all(implementations.map((implementation) => startChild("echo", { implementation })));
    const costs = { ours: [] as number[], handwritten: [] as number[], connectEs: [] as number[] };
    try {
      for (const child of children) await send(child, warmUp);
      for (let round = 0; round < rounds; round++) {
        for (const [at, implementation] of implementations.entries()) {
          const child = children[at];
          if (child !== undefined) costs[implementation].push(await costOf(child, requests));
        }
      }
    } finally {
      await Promise.all(children.map((child) => child.stop()));
    }
    const ratioTo = (other: "handwritten" | "connectEs") =>
      median(costs.ours.map((cost, at) => cost / (costs[other][at] ?? Number.NaN)));
    return [
      { figure: "rpc layer", value: median(costs.ours), unit: "us" },
      { figure: "handwritten", value: median(costs.handwritten), unit: "us" },
      { figure: "connect-es router and fetch adapter", value: median(costs.connectEs), unit: "us" },
      { figure: "rpc layer / handwritten", value: ratioTo("handwritten"), unit: "ratio", bound: HANDWRITTEN_BOUND },
      { figure: "rpc layer / connect-es", value: ratioTo("connectEs"), unit: "ratio", bound: CONNECT_ES_BOUND },
    ];
  },
};
