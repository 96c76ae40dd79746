import type { Benchmark, Figure, Scale } from "./benchmark.ts";
import { median } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { costOf, send } from "./load.ts";

const BY_HAND_BOUND = 1.5;
const CONNECT_ES_BOUND = 1 / 3;

/** The RPC layer alone, with a handler that echoes: Connect proto over HTTP/1.1. */
export const rpc: Benchmark = {
  name: "rpc",
  about: "CPU per unary call of the RPC layer, against a handler by hand and against connect-es's router",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 9, requests: 8000, warmUp: 30_000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const ways = ["ours", "byHand", "connectEs"] as const;
    const children = await Promise.all(ways.map((way) => startChild("echo", { way })));
    const costs = { ours: [] as number[], byHand: [] as number[], connectEs: [] as number[] };
    try {
      for (const child of children) await send(child, warmUp);
      for (let round = 0; round < rounds; round++) {
        for (const [at, way] of ways.entries()) {
          const child = children[at];
          if (child !== undefined) costs[way].push(await costOf(child, requests));
        }
      }
    } finally {
      await Promise.all(children.map((child) => child.stop()));
    }
    const over = (way: "byHand" | "connectEs") => median(costs.ours.map((cost, at) => cost / (costs[way][at] ?? Number.NaN)));
    return [
      { figure: "rpc layer", value: median(costs.ours), unit: "us" },
      { figure: "by hand", value: median(costs.byHand), unit: "us" },
      { figure: "connect-es router and fetch adapter", value: median(costs.connectEs), unit: "us" },
      { figure: "rpc layer / by hand", value: over("byHand"), unit: "ratio", bound: BY_HAND_BOUND },
      { figure: "rpc layer / connect-es", value: over("connectEs"), unit: "ratio", bound: CONNECT_ES_BOUND },
    ];
  },
};
