import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { costOf, send } from "./load.ts";

const BOUND = 1.25;

/** Compares ExecuteCommand over HTTP/1.1 through the mux listener (`same-port`) with the edge on its own port (`own-port`). */
export const mux: Benchmark = {
  name: "mux",
  about: "CPU per ExecuteCommand over HTTP/1.1 with edge.grpc = same-port against own-port",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 7, requests: 4000, warmUp: 30000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
    const common = { backendUrl: `http://127.0.0.1:${backend.ready.port}`, pushUrl: backend.ready.pushUrl, logLevel: "info" };
    const ownPort = await startChild("gateway", { ...common, grpc: "own-port" });
    const samePort = await startChild("gateway", { ...common, grpc: "same-port" });
    try {
      for (const child of [ownPort, samePort]) await send(child, warmUp);
      const perRound: { own: number; same: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        perRound.push({ own: await costOf(ownPort, requests), same: await costOf(samePort, requests) });
      }
      return [
        { figure: "own-port", value: median(perRound.map(({ own }) => own)), unit: "us" },
        { figure: "same-port", value: median(perRound.map(({ same }) => same)), unit: "us" },
        { figure: "ratio", value: median(perRound.map(({ own, same }) => same / own)), unit: "ratio", bound: BOUND },
      ];
    } finally {
      await Promise.all([backend, ownPort, samePort].map((child) => child.stop()));
    }
  },
};
