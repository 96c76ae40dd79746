import { until } from "../../support/until.ts";
import { type Figure, median, type Scale } from "../benchmark.ts";
import type { Child } from "../child.ts";
import { send } from "../load.ts";
import type { Served } from "../served.ts";
import { edgeOf, startGateway } from "./gateway.ts";
import { childrenOf, cpuMicros, filesOf } from "./process-figures.ts";

/** Bounds what workers cost because they share ports, tables and a supervisor. */
const SHARING_RATIO_BOUND = 1.05;
/**
 * The bound of the requirement is 1.05. Two busy CPUs slow each other down: two separate gateways, which share nothing, already
 * cost 1.03 to 1.12 times as much per command as one. So this bound only finds regressions.
 */
const WORKERS_RATIO_BOUND = 1.25;
const SHARE_BOUND = 0.6;
const CONNECTIONS_PER_PROCESS = 16;
const CONNECTIONS = 400;
/** The part of them that must be open when they are counted. */
const ACCEPTED_PART = 0.9;
const WAIT_MS_MAX = 30_000;

/** CPU per command of one gateway process, of two separate ones, and of two workers. Each process gets the same load. */
export async function commands(backend: Child, scale: Scale): Promise<Figure[]> {
  const { rounds, requests, warmUp } =
    scale === "full" ? { rounds: 15, requests: 2500, warmUp: 20_000 } : { rounds: 1, requests: 32, warmUp: 32 };
  const gateways = [await startGateway(backend, 1), await startGateway(backend, 1), await startGateway(backend, 2)] as const;
  const [one, other, two] = gateways;
  const setups = { one: [one], separate: [one, other], two: [two] } as const;
  try {
    for (const each of [...gateways, two]) await send(edgeOf(each), warmUp);
    const measured: Record<keyof typeof setups, number>[] = [];
    for (let round = 0; round < rounds; round++) {
      const costs = { one: 0, separate: 0, two: 0 };
      // The order alternates, so that a change of the other load on the machine affects all setups.
      const order = ["one", "separate", "two"] as const;
      for (const setup of round % 2 === 0 ? order : order.toReversed()) costs[setup] = await costOf(setups[setup], requests);
      measured.push(costs);
    }
    const figure = (name: string, of: (round: (typeof measured)[number]) => number, unit: string, bound?: number) => ({
      figure: name,
      value: median(measured.map(of)),
      unit,
      ...(bound !== undefined && { bound }),
    });
    return [
      figure("CPU per command, one process", (round) => round.one, "us"),
      figure("CPU per command, two separate gateways", (round) => round.separate, "us"),
      figure("CPU per command, two workers", (round) => round.two, "us"),
      figure("floor: two separate gateways / one process", (round) => round.separate / round.one, "ratio"),
      figure("two workers / two separate gateways", (round) => round.two / round.separate, "ratio", SHARING_RATIO_BOUND),
      figure("two workers / one process", (round) => round.two / round.one, "ratio", WORKERS_RATIO_BOUND),
      { figure: "connections of the busier worker / all", value: await busierShare(two), unit: "ratio", bound: SHARE_BOUND },
    ];
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
  }
}

/** CPU time per command of all processes of the gateways, in microseconds. `requests`: the number for each process with an edge. */
async function costOf(gateways: readonly Served[], requests: number): Promise<number> {
  const loads = gateways.map((gateway) => ({ gateway, processes: Math.max(1, childrenOf(gateway.pid).length) }));
  const used = () => gateways.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
  const before = used();
  await Promise.all(
    loads.map(({ gateway, processes }) =>
      send(edgeOf(gateway), requests * processes, { connections: CONNECTIONS_PER_PROCESS * processes }),
    ),
  );
  return (used() - before) / loads.reduce((sum, { processes }) => sum + requests * processes, 0);
}

/** Opens connections. Returns the share of the worker that got most of them. */
async function busierShare(gateway: Served): Promise<number> {
  const workers = childrenOf(gateway.pid);
  const before = workers.map(filesOf);
  // The kernel passes a connection on only when its first bytes have arrived (TCP_DEFER_ACCEPT).
  const socket = { data() {}, open: (each: Bun.Socket) => void each.write("GET / HTTP/1.1\r\n") };
  const { port } = edgeOf(gateway).ready;
  const open = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => Bun.connect({ hostname: "127.0.0.1", port, socket })),
  );
  const counts = () => workers.map((pid, at) => filesOf(pid) - (before[at] ?? 0));
  const sum = () => counts().reduce((total, count) => total + count, 0);
  // Connections of the load before may close meanwhile.
  await until(() => sum() >= CONNECTIONS * ACCEPTED_PART, "the workers to accept the connections", WAIT_MS_MAX);
  const share = Math.max(...counts()) / sum();
  for (const each of open) each.end();
  return share;
}
