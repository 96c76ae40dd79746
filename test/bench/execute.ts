import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { costOf, send } from "./load.ts";

const BOUND = 1.6;

/** ExecuteCommand over Connect proto and HTTP/1.1, end to end, against the floor (children/floor.ts): CPU time of the process per request. */
export const execute: Benchmark = {
  name: "execute",
  about: "CPU per ExecuteCommand against one verify, one sign, two SHA-256, one Bun.serve echo and one fetch",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 7, requests: 4000, warmUp: 30000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
    const backendUrl = `http://127.0.0.1:${backend.ready.port}`;
    const gateway = await startChild("gateway", { backendUrl, pushUrl: backend.ready.pushUrl, logLevel: "info" });
    const replyBytes = await send(gateway, 1);
    const floor = await startChild("floor", { backendUrl, replyBytes });
    try {
      for (const child of [floor, gateway]) await send(child, warmUp);
      const perRound: { floor: number; gateway: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        perRound.push({ floor: await costOf(floor, requests), gateway: await costOf(gateway, requests) });
      }
      return [
        { figure: "floor", value: median(perRound.map((each) => each.floor)), unit: "us" },
        { figure: "gateway", value: median(perRound.map((each) => each.gateway)), unit: "us" },
        { figure: "ratio", value: median(perRound.map((each) => each.gateway / each.floor)), unit: "ratio", bound: BOUND },
      ];
    } finally {
      await Promise.all([backend, gateway, floor].map((child) => child.stop()));
    }
  },
};
