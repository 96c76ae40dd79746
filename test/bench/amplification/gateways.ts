import type { Entrance } from "../../fuzz/hostile/ways.ts";
import { DEVICE_PUBLIC_KEY } from "../../support/load-device.ts";
import { type Child, startChild } from "../child.ts";

/** Whether the failure budget of the load's address has room for everything, or is empty after the first request. */
export type Budget = "roomy" | "spent";

/** The gateways that are measured. */
export interface Gateways {
  readonly of: (budget: Budget, port: Entrance["port"]) => Child;
  stop(): Promise<void>;
}

const SPENT = Object.fromEntries(
  ["failures", "public_auth", "public_misc"].flatMap((name) => [
    [`budgets.${name}.rate`, "0.0001"],
    [`budgets.${name}.burst`, "1"],
  ]),
);

export async function startGateways(): Promise<Gateways> {
  const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
  const common = { backendUrl: `http://127.0.0.1:${backend.ready.port}`, pushUrl: backend.ready.pushUrl, logLevel: "info" };
  const start = (grpc: Entrance["port"], more: object) =>
    startChild("gateway", { ...common, grpc, settings: { "reflection.enabled": "true", ...more } });
  const both = async (more: object) => ({
    "own-port": await start("own-port", more),
    "same-port": await start("same-port", more),
  });
  const all = { roomy: await both({}), spent: await both(SPENT) };
  return {
    of: (budget, port) => all[budget][port],
    async stop() {
      const children = Object.values(all).flatMap((each) => Object.values(each));
      await Promise.all([backend, ...children].map((child) => child.stop()));
    },
  };
}
