import type { Figure, Scale } from "../benchmark.ts";
import { type Child, startChild } from "../child.ts";
import type { Served } from "../served.ts";
import { edgeOf, startGateway } from "./gateway.ts";
import { cpuMicros } from "./process-figures.ts";

/** The default of `streams.heartbeat_ms`. */
const HEARTBEAT_MS = 25_000;
/** In microseconds of CPU per second. */
const STREAM_CPU_BOUND = 1;
/** Workers scan their own connections, and get each heartbeat from the supervisor. */
const WORKERS_STREAM_CPU_BOUND = 2;

/** Each window of the full scale contains at least one heartbeat: the hub sends it up to a second late. */
const SCALES = {
  full: { streams: 9000, settleMs: 10_000, emptyMs: 13_000, windowMs: HEARTBEAT_MS + 1000, windows: 2 },
  small: { streams: 20, settleMs: 0, emptyMs: 20, windowMs: 500, windows: 1 },
} as const;

/** CPU of a stream without events, with the default settings: its part of heartbeats, timers and connection sweeps. */
export async function idleStreams(backend: Child, scale: Scale): Promise<Figure[]> {
  const [one, two] = await Promise.all([streamCpu(backend, 1, scale), streamCpu(backend, 2, scale)]);
  const figure = `CPU of an idle stream per second, at ${SCALES[scale].streams} streams`;
  return [
    { figure: `${figure}, one process`, value: one, unit: "us", bound: STREAM_CPU_BOUND },
    { figure: `${figure}, two workers`, value: two, unit: "us", bound: WORKERS_STREAM_CPU_BOUND },
  ];
}

/** What the streams add to the CPU time of a gateway without streams, per stream and second. */
async function streamCpu(backend: Child, workers: number, scale: Scale): Promise<number> {
  const { streams, settleMs, emptyMs, windowMs, windows } = SCALES[scale];
  const gateway = await startGateway(backend, workers, { "streams.heartbeat_ms": String(HEARTBEAT_MS) });
  try {
    await Bun.sleep(settleMs);
    const empty = await cpuPerSecond(gateway, emptyMs);
    const { port } = edgeOf(gateway).ready;
    const parameters = { port, streams, http: "1.1", contentType: "application/connect+proto", streamsPerConnection: 1 };
    const clients = await startChild("push-clients", { ...parameters, mark: "never sent" });
    const opened = await fetch(`http://127.0.0.1:${clients.ready.port}/open`, { timeout: false });
    if (!opened.ok) throw new Error(await opened.text());
    await Bun.sleep(settleMs);
    const used: number[] = [];
    for (let window = 0; window < windows; window++) used.push(await cpuPerSecond(gateway, windowMs));
    await clients.stop();
    // Other load on the machine only increases the CPU time. A figure must be positive, also below the resolution of the clock.
    return Math.max((Math.min(...used) - empty) / streams, 0.001);
  } finally {
    await gateway.stop();
  }
}

/** CPU time of all processes of the gateway, in microseconds per second. */
async function cpuPerSecond({ pid }: Served, forMs: number): Promise<number> {
  const [before, startedMs] = [cpuMicros(pid), performance.now()];
  await Bun.sleep(forMs);
  return (1000 * (cpuMicros(pid) - before)) / (performance.now() - startedMs);
}
