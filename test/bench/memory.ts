import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import type { Benchmark, Figure } from "./benchmark.ts";
import { type Child, startChild } from "./child.ts";
import { type Served, serve } from "./served.ts";

const PEAK_MB_BOUND = 300;
const AFTER_RATIO_BOUND = 1.5;
const STREAM_RATIO_BOUND = 1.3;

interface Setting {
  readonly name: string;
  readonly listener: "edge" | "grpc";
  readonly onePort: boolean;
  readonly http: "1.1" | "2";
  readonly contentType: string;
  readonly streamType: string;
}

const connect = { contentType: "application/proto", streamType: "application/connect+proto", listener: "edge" } as const;
const grpc = {
  contentType: "application/grpc+proto",
  streamType: "application/grpc+proto",
  listener: "grpc",
  http: "2",
} as const;
const SETTINGS: readonly Setting[] = [
  { name: "gRPC", onePort: false, ...grpc },
  { name: "Connect, HTTP/1.1", onePort: false, http: "1.1", ...connect },
  { name: "Connect, h2", onePort: false, http: "2", ...connect },
  { name: "gRPC, one port", onePort: true, ...grpc },
  { name: "Connect, HTTP/1.1, one port", onePort: true, http: "1.1", ...connect },
];

/** One setting of each runtime's server: `node:http2` and `Bun.serve` behind the mux. All of them take four minutes. */
const SHORT = SETTINGS.filter(({ name }) => name === "gRPC" || name === "Connect, HTTP/1.1, one port");

interface Size {
  readonly seconds: number;
  readonly perSecond: number;
  readonly streams: number;
  /** Memory counts as settled after this many samples without a lower value. */
  readonly samples: number;
  /** The time within which memory must be freed. Reservations alone live for up to 125 s. */
  readonly freedWithinMs: number;
}

const PER_SECOND = 5000;
const SIZES = {
  small: { seconds: 1, perSecond: 100, streams: 20, samples: 1, freedWithinMs: 2000 },
  full: { seconds: 15, perSecond: PER_SECOND, streams: 2000, samples: 8, freedWithinMs: 90_000 },
  long: { seconds: 300, perSecond: PER_SECOND, streams: 5000, samples: 8, freedWithinMs: 200_000 },
} as const satisfies Record<string, Size>;

/** A steady load of commands on `sallyport serve`: its memory under load and afterwards, and the memory of a stream before and after. */
export const memory: Benchmark = {
  name: "memory",
  about: "memory of a gateway under a steady load and after it, and of a stream, against a gateway that has just started",
  run: (scale) => measureAll(SHORT, SIZES[scale]),
  runLong: () => measureAll(SETTINGS, SIZES.long),
};

async function measureAll(settings: readonly Setting[], size: Size): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const setting of settings) figures.push(...(await measure(setting, size)));
  return figures;
}

async function measure(setting: Setting, size: Size): Promise<Figure[]> {
  const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
  try {
    const fresh = await withGateway(setting, backend, (gateway) => streamKilobytes(setting, gateway, size));
    return await withGateway(setting, backend, async (gateway) => {
      const startMb = await gateway.residentMb();
      await load(setting, gateway, size);
      const peakMb = await gateway.peakMb();
      const afterMb = await leastMb(gateway, AFTER_RATIO_BOUND * startMb, size.freedWithinMs);
      const streamKb = await streamKilobytes(setting, gateway, size);
      const { name } = setting;
      return [
        { figure: `${name}: at the start`, value: startMb, unit: "MB" },
        { figure: `${name}: peak under load`, value: peakMb, unit: "MB", bound: PEAK_MB_BOUND },
        { figure: `${name}: after load`, value: afterMb, unit: "MB" },
        { figure: `${name}: after load / at the start`, value: afterMb / startMb, unit: "ratio", bound: AFTER_RATIO_BOUND },
        { figure: `${name}: a stream at the start`, value: fresh, unit: "KB" },
        { figure: `${name}: a stream after load`, value: streamKb, unit: "KB" },
        {
          figure: `${name}: a stream after load / at the start`,
          value: streamKb / fresh,
          unit: "ratio",
          bound: STREAM_RATIO_BOUND,
        },
      ];
    });
  } finally {
    await backend.stop();
  }
}

async function withGateway<T>(setting: Setting, backend: Child, use: (gateway: Served) => Promise<T>): Promise<T> {
  const roomy = ["ip", "session", "user", "failures"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
  const limits = ["per_session", "per_user", "per_network", "total"].map((name) => `streams.${name}_max`);
  const gateway = await serve({
    ...Object.fromEntries([...roomy, ...limits, "connections.per_network_max"].map((key) => [key, "1000000"])),
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    "edge.grpc": setting.onePort ? "same-port" : "own-port",
    "backend.url": `http://127.0.0.1:${backend.ready.port}`,
    "push.url": backend.ready.pushUrl ?? "",
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    routes: JSON.stringify([{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }]),
  });
  try {
    return await use(gateway);
  } finally {
    await gateway.stop();
  }
}

async function load({ listener, http, contentType }: Setting, gateway: Served, { seconds, perSecond }: Size): Promise<void> {
  const url = listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl;
  const commands = await startChild("commands", { url, http, contentType, perSecond });
  await ask(commands, `/send?commands=${seconds * perSecond}`);
  await commands.stop();
}

/** The lowest resident memory until it is within the bound, or the time is over. */
async function leastMb(gateway: Served, boundMb: number, withinMs: number): Promise<number> {
  const endMs = performance.now() + withinMs;
  let least = await gateway.residentMb();
  while (least > boundMb && performance.now() < endMs) {
    await Bun.sleep(500);
    least = Math.min(least, await gateway.residentMb());
  }
  return least;
}

/** The memory that each of many streams adds to the settled process. */
async function streamKilobytes(
  { listener, http, streamType }: Setting,
  gateway: Served,
  { streams, samples }: Size,
): Promise<number> {
  const port = Number(new URL(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl).port);
  const before = await settledMb(gateway, samples);
  const parameters = { port, streams, http, contentType: streamType, streamsPerConnection: 100, mark: "never sent" };
  const clients = await startChild("push-clients", parameters);
  await ask(clients, "/open");
  const after = await settledMb(gateway, samples);
  await clients.stop();
  // If the process shrinks meanwhile, the difference is near zero or negative; a figure must be positive.
  return Math.max(((after - before) * 1000) / streams, 0.1);
}

/** Resident memory when it no longer decreases. Bun collects garbage and returns pages with a delay. */
async function settledMb(gateway: Served, samples: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let sample = 0, sinceLeast = 0; sinceLeast < samples && sample < 60; sample++, sinceLeast++) {
    const now = await gateway.residentMb();
    if (now < least - 0.5) sinceLeast = 0;
    least = Math.min(least, now);
    await Bun.sleep(500);
  }
  return least;
}

async function ask(child: Child, path: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${child.ready.port}${path}`, { timeout: false });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
}
