import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { until } from "../support/until.ts";
import type { Benchmark, Figure } from "./benchmark.ts";
import { startChild } from "./child.ts";
import type { PollersParameters } from "./children/pollers.ts";
import { type Served, serve } from "./served.ts";

/** A waiting poll holds its HTTP request, which a stream does not. */
const POLL_KB_BOUND = 30;
/** Memory counts as settled after this time: polls wait for 25 s, and opening them takes a few seconds. */
const SETTLE_MS = 5000;

interface Setting extends Pick<PollersParameters, "http" | "contentType"> {
  readonly name: string;
  readonly listener: "edge" | "grpc";
}

const SETTINGS: readonly Setting[] = [
  { name: "Connect, HTTP/1.1", listener: "edge", http: "1.1", contentType: "application/proto" },
  { name: "Connect, h2", listener: "edge", http: "2", contentType: "application/proto" },
  { name: "gRPC", listener: "grpc", http: "2", contentType: "application/grpc+proto" },
];

/** The memory that each of many waiting calls of FetchEvents adds to `sallyport serve`. */
export const polls: Benchmark = {
  name: "polls",
  about: "memory of a waiting call of FetchEvents",
  async run(scale) {
    const size = scale === "full" ? { count: 4000, settleMs: SETTLE_MS } : { count: 50, settleMs: 100 };
    const figures: Figure[] = [];
    for (const setting of scale === "full" ? SETTINGS : SETTINGS.slice(0, 1)) {
      const value = await measure(setting, size);
      figures.push({ figure: `${setting.name}: a waiting poll`, value, unit: "KB", bound: POLL_KB_BOUND });
    }
    return figures;
  },
};

async function measure(setting: Setting, { count, settleMs }: { count: number; settleMs: number }): Promise<number> {
  const backend = await startChild("backend", { publicKey: DEVICE_PUBLIC_KEY });
  const limits = ["per_session", "per_user", "per_network", "total"].map((name) => `streams.${name}_max`);
  const budgets = ["ip", "session", "user"].flatMap((name) => [`budgets.${name}.rate`, `budgets.${name}.burst`]);
  const gateway = await serve({
    ...Object.fromEntries([...limits, ...budgets, "connections.per_network_max"].map((key) => [key, "1000000"])),
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    "backend.url": `http://127.0.0.1:${backend.ready.port}`,
    "push.url": backend.ready.pushUrl ?? "",
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    routes: "[]",
  });
  const port = Number(new URL(setting.listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl).port);
  const { http, contentType } = setting;
  const clients = await startChild("pollers", { port, polls: count, http, contentType } satisfies PollersParameters);
  try {
    await Bun.sleep(settleMs);
    const before = await gateway.residentMb();
    await fetch(`http://127.0.0.1:${clients.ready.port}/open`, { timeout: false });
    await until(async () => (await waiting(gateway)) === count, `${count} waiting polls`, 15_000);
    await Bun.sleep(settleMs);
    const after = await gateway.residentMb();
    return Math.max(((after - before) * 1000) / count, 0.1);
  } finally {
    await Promise.all([clients.stop(), gateway.stop()]);
    await backend.stop();
  }
}

/** The number of waiting polls. */
async function waiting({ adminUrl }: Served): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return [...text.matchAll(/^sallyport_streams\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}
