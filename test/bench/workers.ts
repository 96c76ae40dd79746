import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { type Child, startChild } from "./child.ts";
import { send } from "./load.ts";
import { type Served, serve } from "./served.ts";

const SHARE_BOUND = 0.6;
const KIB_PER_MB = 1024;
const CONNECTIONS = 400;
/** Number of the fields of /proc/<pid>/stat after the name (proc(5)). */
const [USER_FIELD, SYSTEM_FIELD] = [11, 12];
const TICK_MICROS = 10_000;

/** What several workers cost, and what they share. Linux only. */
export const workers: Benchmark = {
  name: "workers",
  about: "CPU per command with two workers against one, their share of the connections, and two processes on one shared table",
  async run(scale: Scale): Promise<readonly Figure[]> {
    return [...(await sharedTable(scale)), ...(await gateways(scale))];
  },
};

async function sharedTable(scale: Scale): Promise<Figure[]> {
  const { operations, rounds } = scale === "full" ? { operations: 200_000, rounds: 5 } : { operations: 2000, rounds: 1 };
  const folder = mkdtempSync("/dev/shm/sallyport-bench-");
  const parameters = { path: join(folder, "tables"), operations };
  const first = await startChild("shared-table", parameters);
  const second = await startChild("shared-table", parameters);
  try {
    const work = (child: Child) => child.ask<number>("work");
    await work(first);
    await work(second);
    const measured: { alone: number; together: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const alone = await work(first);
      const together = Math.max(...(await Promise.all([work(first), work(second)])));
      measured.push({ alone, together });
    }
    return [
      { figure: "reserve and take, one process", value: median(measured.map(({ alone }) => alone)), unit: "ns" },
      {
        figure: "reserve and take, each of two processes",
        value: median(measured.map(({ together }) => together)),
        unit: "ns",
      },
      {
        figure: "each of two processes / one alone",
        value: Math.min(...measured.map(({ alone, together }) => together / alone)),
        unit: "ratio",
      },
    ];
  } finally {
    await Promise.all([first.stop(), second.stop()]);
    rmSync(folder, { recursive: true });
  }
}

async function gateways(scale: Scale): Promise<Figure[]> {
  const { rounds, requests, warmUp } =
    scale === "full" ? { rounds: 7, requests: 4000, warmUp: 20_000 } : { rounds: 1, requests: 64, warmUp: 32 };
  const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
  const [one, two] = [await gateway(backend, 1), await gateway(backend, 2)];
  try {
    const idleMb = Math.max(...privateMb(two));
    for (const each of [one, two]) await send(each, warmUp);
    const perRound: { one: number; two: number }[] = [];
    for (let round = 0; round < rounds; round++)
      perRound.push({ one: await costOf(one, requests), two: await costOf(two, requests) });
    const [largest, all] = await connectionsOf(two);
    return [
      { figure: "CPU per command, one process", value: median(perRound.map((each) => each.one)), unit: "us" },
      { figure: "CPU per command, two workers", value: median(perRound.map((each) => each.two)), unit: "us" },
      {
        figure: "two workers / one process",
        value: median(perRound.map((each) => each.two / each.one)),
        unit: "ratio",
      },
      { figure: "share of the connections of the busier worker", value: largest / all, unit: "ratio", bound: SHARE_BOUND },
      { figure: "private memory of an idle worker", value: idleMb, unit: "MB" },
    ];
  } finally {
    await Promise.all([one.served.stop(), two.served.stop()]);
    await backend.stop();
  }
}

interface Measured {
  readonly ready: Child["ready"];
  readonly served: Served;
}

async function gateway(backend: Child, count: number): Promise<Measured> {
  const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
  const served = await serve({
    ...Object.fromEntries(roomy.map((key) => [key, "1000000"])),
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    "backend.url": `http://127.0.0.1:${backend.ready.port}`,
    "push.url": backend.ready.pushUrl ?? "",
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    "log.level": "info",
    "workers.count": String(count),
    "replay.entries_max": "200000",
    "buckets.entries_max": "100000",
    "session_cache.entries_max": "10000",
    routes: JSON.stringify([{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }]),
  });
  return { served, ready: { port: Number(new URL(served.edgeUrl).port) } };
}

/** CPU time per command of all processes of the gateway, in microseconds. */
async function costOf(measured: Measured, requests: number): Promise<number> {
  const before = cpuMicros(measured.served.pid);
  await send(measured, requests);
  return (cpuMicros(measured.served.pid) - before) / requests;
}

/** Opens connections. Returns those of the worker that got most of them, and all. */
async function connectionsOf({ served, ready }: Measured): Promise<[largest: number, all: number]> {
  const workerPids = childrenOf(served.pid);
  const before = workerPids.map(socketsOf);
  // The kernel passes a connection on only when its first bytes have arrived (TCP_DEFER_ACCEPT).
  const socket = { data() {}, open: (each: Bun.Socket) => void each.write("GET / HTTP/1.1\r\n") };
  const open = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => Bun.connect({ hostname: "127.0.0.1", port: ready.port, socket })),
  );
  await Bun.sleep(500);
  const counts = workerPids.map((pid, at) => socketsOf(pid) - (before[at] ?? 0));
  for (const each of open) each.end();
  return [Math.max(...counts), counts.reduce((sum, count) => sum + count, 0)];
}

function privateMb({ served }: Measured): number[] {
  return childrenOf(served.pid).map((pid) => {
    const lines = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1").matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm);
    return [...lines].reduce((sum, [, kib]) => sum + Number(kib), 0) / KIB_PER_MB;
  });
}

function childrenOf(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  return listed.split(" ").filter(Boolean).map(Number);
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** User and system time of the process and its children. Linux counts it in ticks of 10 ms. */
function cpuMicros(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => {
    const stat = readFileSync(`/proc/${each}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[USER_FIELD]) + Number(fields[SYSTEM_FIELD])) * TICK_MICROS;
  }, 0);
}
