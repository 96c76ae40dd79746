import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { type Child, startChild } from "./child.ts";
import { costOf, send } from "./load.ts";

const BOUND = 1.6;
/** Maximum CPU of a gateway with many routes and upstreams, against one with a route and a backend. */
const LARGE_BOUND = 1.05;
const ROUTES = 500;
const UPSTREAMS = 3;

/** ExecuteCommand over Connect proto and HTTP/1.1, end to end, against the floor (children/floor.ts): CPU time of the process per request. */
export const execute: Benchmark = {
  name: "execute",
  about: "CPU per ExecuteCommand against one verify, one sign, two SHA-256, one Bun.serve echo and one fetch",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 7, requests: 4000, warmUp: 30000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const backends = await Promise.all(
      Array.from({ length: UPSTREAMS }, () => startChild("backend", { publicKey: DEVICE_PUBLIC_KEY })),
    );
    const urls = backends.map(({ ready }) => `http://127.0.0.1:${ready.port}`);
    const [backendUrl] = urls;
    const shared = { backendUrl, pushUrl: backends[0]?.ready.pushUrl, logLevel: "info" };
    const gateway = await startChild("gateway", shared);
    const large = await startChild("gateway", { ...shared, tables: largeTables(urls) });
    const replyBytes = await send(gateway, 1);
    const floor = await startChild("floor", { backendUrl, replyBytes });
    try {
      for (const child of [floor, gateway, large]) await send(child, warmUp);
      const perRound: Record<"floor" | "gateway" | "large", number>[] = [];
      for (let round = 0; round < rounds; round++) perRound.push(await costs({ floor, gateway, large }, requests));
      return figures(perRound);
    } finally {
      await Promise.all([...backends, gateway, large, floor].map((child) => child.stop()));
    }
  },
};

/** The measured route is the last one. */
function largeTables(urls: readonly string[]) {
  const paths = Array.from({ length: ROUTES - 1 }, (_, n) => `/api/v1/user/rooms/{room_id}/kind${n}/{item.id}`);
  const routes = paths.map((path, n) => ({ message_type: `rooms.kind${n}.get`, method: "GET", path }));
  return {
    routes: [...routes, { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }],
    upstreams: urls.map((url, n) => ({ name: `server-${n}`, url })),
  };
}

async function costs<Name extends string>(children: Record<Name, Child>, requests: number): Promise<Record<Name, number>> {
  const measured: Partial<Record<Name, number>> = {};
  for (const name in children) measured[name] = await costOf(children[name], requests);
  return measured as Record<Name, number>;
}

function figures(perRound: readonly Record<"floor" | "gateway" | "large", number>[]): readonly Figure[] {
  const of = (value: (round: (typeof perRound)[number]) => number) => median(perRound.map(value));
  return [
    { figure: "floor", value: of((each) => each.floor), unit: "us" },
    { figure: "gateway", value: of((each) => each.gateway), unit: "us" },
    { figure: "ratio", value: of((each) => each.gateway / each.floor), unit: "ratio", bound: BOUND },
    { figure: `${ROUTES} routes, ${UPSTREAMS} upstreams`, value: of((each) => each.large), unit: "us" },
    {
      figure: `${ROUTES} routes, ${UPSTREAMS} upstreams / one of each`,
      value: of((each) => each.large / each.gateway),
      unit: "ratio",
      bound: LARGE_BOUND,
    },
  ];
}
