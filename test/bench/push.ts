import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { until } from "../support/until.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { type Child, startChild } from "./child.ts";
import type { WatchedEvent } from "./children/event-watch.ts";

/** Contained once in every event, so that clients can count events. */
const MARK = "benchmark-event-mark";
const CPU_RATIO_BOUND = 1.5;
/** Measured against a new process, so it includes a share of the code and pools that the first streams need. */
const STREAM_BYTES_BOUND = 8192;
const STREAMS_MAX = 19_000;
const DELIVERED_WITHIN_MS = 60_000;
/** Reserved file descriptors that are not connections. */
const OTHER_FILES = 500;

interface Setting {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly listener: "edge" | "grpc";
  readonly contentType: string;
  readonly streamsPerConnection: number;
  readonly bytesBound?: number;
}

const connect = { contentType: "application/connect+proto", listener: "edge", bytesBound: STREAM_BYTES_BOUND } as const;
const grpc = { contentType: "application/grpc+proto", listener: "grpc", http: "2" } as const;
const SETTINGS: readonly Setting[] = [
  { name: "Connect, HTTP/1.1", http: "1.1", streamsPerConnection: 1, ...connect },
  { name: "Connect, h2, 100 streams a connection", http: "2", streamsPerConnection: 100, ...connect },
  { name: "gRPC, 100 streams a connection", streamsPerConnection: 100, ...grpc },
];

/** RLIMIT_NOFILE. */
function filesMax(): number {
  const limit = Number(Bun.spawnSync(["sh", "-c", "ulimit -n"]).stdout.toString());
  return Number.isInteger(limit) ? limit : STREAMS_MAX + OTHER_FILES;
}

interface Size {
  readonly streams: number;
  readonly events: number;
}

/** The memory of idle streams, and the CPU time of one event to all of them against a minimal broadcaster. */
export const push: Benchmark = {
  name: "push",
  about: "memory of an idle stream, and CPU of a delivery against a raw Bun.serve broadcaster of the same frame",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const size =
      scale === "full" ? { streams: Math.min(STREAMS_MAX, filesMax() - OTHER_FILES), events: 20 } : { streams: 50, events: 2 };
    const figures: Figure[] = [];
    for (const setting of SETTINGS) figures.push(...(await measure(setting, size)));
    return figures;
  },
};

async function measure(setting: Setting, size: Size): Promise<Figure[]> {
  const gateway = await measureGateway(setting, size);
  const figures: Figure[] = [
    {
      figure: `${setting.name}: memory of an idle stream, over an empty process`,
      value: gateway.streamBytes,
      unit: "bytes",
      ...(setting.bytesBound && { bound: setting.bytesBound }),
    },
    { figure: `${setting.name}: signatures of an event to all`, value: gateway.event.signatures, unit: "signatures", bound: 1 },
    { figure: `${setting.name}: encodings of an event to all`, value: gateway.event.encodings, unit: "encodings", bound: 1 },
    { figure: `${setting.name}: CPU of a delivery`, value: gateway.deliveryMicros, unit: "us" },
    { figure: `${setting.name}: feed to client, p50`, value: gateway.p50Ms, unit: "ms" },
    { figure: `${setting.name}: feed to client, p99`, value: gateway.p99Ms, unit: "ms" },
  ];
  // Bun.serve cannot send trailers, so there is no raw broadcaster for gRPC.
  if (setting.listener === "grpc") return figures;
  const raw = await measureBroadcaster(setting, size, gateway.event);
  return [
    ...figures,
    { figure: `${setting.name}: frame of an event, of both`, value: raw.frameBytes, unit: "bytes" },
    { figure: `${setting.name}: CPU of the raw broadcaster`, value: raw.deliveryMicros, unit: "us" },
    {
      figure: `${setting.name}: ratio`,
      value: gateway.deliveryMicros / raw.deliveryMicros,
      unit: "ratio",
      bound: CPU_RATIO_BOUND,
    },
  ];
}

async function measureGateway(setting: Setting, size: Size) {
  const backend = await startChild("push-backend", { publicKey: DEVICE_PUBLIC_KEY });
  const backendUrl = `http://127.0.0.1:${backend.ready.port}`;
  const gateway = await startChild("push-gateway", {
    backendUrl,
    pushUrl: backend.ready.pushUrl,
    listener: setting.listener,
    streams: size.streams,
  });
  const clients = await startClients(gateway, setting, size);
  try {
    const emptyBytes = await settledBytes(gateway);
    await ask(clients, "/open");
    const streamBytes = ((await settledBytes(gateway)) - emptyBytes) / size.streams;
    const event = await watchEvent(gateway, clients, `${backendUrl}/push`, size);
    return { streamBytes, event, ...(await broadcast(gateway, clients, `${backendUrl}/push`, size)) };
  } finally {
    await Promise.all([clients, gateway, backend].map((child) => child.stop()));
  }
}

async function measureBroadcaster(setting: Setting, size: Size, { frames: [frame] }: WatchedEvent) {
  if (frame === undefined) throw new Error("no stream received the event");
  const broadcaster = await startChild("broadcaster", { frame });
  const clients = await startClients(broadcaster, setting, size);
  try {
    await ask(clients, "/open");
    const url = `http://127.0.0.1:${broadcaster.ready.port}/push`;
    const { deliveryMicros } = await broadcast(broadcaster, clients, url, size);
    return { deliveryMicros, frameBytes: Buffer.from(frame, "base64").byteLength };
  } finally {
    await Promise.all([clients, broadcaster].map((child) => child.stop()));
  }
}

/** Resident memory after the allocator has returned freed pages. It returns them with a delay. */
async function settledBytes(child: Child): Promise<number> {
  for (let n = 0; n < 3; n++) {
    await child.residentBytes();
    await Bun.sleep(300);
  }
  return child.residentBytes();
}

function startClients(server: Child, { http, contentType, streamsPerConnection }: Setting, { streams }: Size): Promise<Child> {
  const { port } = server.ready;
  return startChild("push-clients", { port, streams, http, contentType, streamsPerConnection, mark: MARK });
}

/** The payload of an event, about 150 bytes. */
const PAYLOAD = JSON.stringify({ text: MARK, filler: "x".repeat(100) });

/** Counts the signatures and encodings of one event to all streams, before the measurements. */
async function watchEvent(gateway: Child, clients: Child, url: string, { streams }: Size): Promise<WatchedEvent> {
  await gateway.ask("watchEvent");
  await sendToAll(clients, url, streams);
  return gateway.ask<WatchedEvent>("watchedEvent");
}

/** Pushes one event. Resolves when this many streams have received it. */
async function sendToAll(clients: Child, url: string, streams: number): Promise<void> {
  const before = Number(await ask(clients, "/count"));
  await fetch(url, { method: "POST", body: PAYLOAD });
  const isDelivered = async () => Number(await ask(clients, "/count")) >= before + streams;
  await until(isDelivered, "the event on every stream", DELIVERED_WITHIN_MS);
}

/** Sends events one after the other to all streams. The first is a warm-up and not measured. */
async function broadcast(server: Child, clients: Child, url: string, { streams, events }: Size) {
  const cost: number[] = [];
  const latencies: number[][] = [];
  for (let n = 0; n <= events; n++) {
    const before = await server.cpuMicros();
    const since = performance.timeOrigin + performance.now();
    await sendToAll(clients, url, streams);
    cost.push(((await server.cpuMicros()) - before) / streams);
    latencies.push(JSON.parse(await ask(clients, `/arrivals?since=${since}`)));
  }
  const sorted = latencies
    .slice(1)
    .flat()
    .toSorted((a, b) => a - b);
  const quantile = (q: number) => sorted[Math.ceil(sorted.length * q) - 1] ?? Number.NaN;
  return { deliveryMicros: median(cost.slice(1)), p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

async function ask(child: Child, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${child.ready.port}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.text();
}
