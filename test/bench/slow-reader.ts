import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { startChild } from "./child.ts";
import { PAYLOAD_BYTES, type Peak, SlowReaderRun, type SlowReaderSetting } from "./slow-reader-run.ts";

/** The bound on the latency of the other streams while one stops reading. */
const P99_RATIO_BOUND = 1.2;
/** Memory after the same events varies by one or two per cent. A thousand leaked outboxes would be five times the total. */
const MEMORY_RATIO_BOUND = 1.05;
/** The default of `streams.outbox_bytes_max`. It is checked when the next event arrives, so it may be exceeded by one event. */
const OUTBOX_BYTES_MAX = 1024 * 1024;
/** The gateway must count what it holds, except for bytes that Bun is passing to the socket. */
const HELD_RATIO_BOUND = 1.1;

const connect = { contentType: "application/connect+proto", listener: "edge" } as const;
const grpc = { contentType: "application/grpc+proto", listener: "grpc", http: "2" } as const;
const SETTINGS: readonly SlowReaderSetting[] = [
  { name: "Connect, HTTP/1.1", http: "1.1", ...connect },
  { name: "Connect, h2", http: "2", ...connect },
  { name: "gRPC", ...grpc },
];

/** One of a thousand readers stops reading: its effect on the other streams and on memory. */
export const slowReader: Benchmark = {
  name: "slow-reader",
  about: "one of 1,000 readers that stops reading, against the same reader that reads: p99 of the others, and memory",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const size = scale === "full" ? { streams: 1000, pairs: 3 } : { streams: 10, pairs: 1 };
    const figures: Figure[] = [];
    for (const setting of SETTINGS) figures.push(...(await measure(setting, size)));
    return figures;
  },
};

interface Size {
  readonly streams: number;
  readonly pairs: number;
}

async function measure(setting: SlowReaderSetting, { streams, pairs }: Size): Promise<Figure[]> {
  const backend = await startChild("push-backend", { publicKey: DEVICE_PUBLIC_KEY });
  const backendUrl = `http://127.0.0.1:${backend.ready.port}`;
  const { listener } = setting;
  const gateway = await startChild("push-gateway", { backendUrl, pushUrl: backend.ready.pushUrl, listener, streams });
  const run = await SlowReaderRun.start({ setting, readers: streams - 1, gateway, backendUrl });
  try {
    await run.warmUp();
    for (let n = 0; n < pairs; n++) {
      // The order A B B A cancels growth that depends on time alone.
      for (const reads of n % 2 === 0 ? [true, false] : [false, true]) await run.round(reads);
    }
    return figuresOf(setting.name, run);
  } finally {
    await Promise.all([run.stop(), gateway.stop(), backend.stop()]);
  }
}

function figuresOf(name: string, { rounds, peak }: SlowReaderRun): Figure[] {
  const [good, slow] = [rounds.filter(({ reads }) => reads), rounds.filter(({ reads }) => !reads)];
  // The p99 of all events depends on the few worst ones, and so on other load. It has no bound.
  const p99 = (of: typeof rounds) => median(of.map(({ p99Ms }) => p99Ms));
  const p99OfEvent = (of: typeof rounds) => median(of.flatMap(({ p99OfEventsMs }) => p99OfEventsMs));
  const bytes = (of: typeof rounds) => median(of.map(({ residentBytes }) => residentBytes));
  return [
    { figure: `${name}: p99 of all events, all read`, value: p99(good), unit: "ms" },
    { figure: `${name}: p99 of all events, one stops`, value: p99(slow), unit: "ms" },
    { figure: `${name}: p99 of an event, all read`, value: p99OfEvent(good), unit: "ms" },
    { figure: `${name}: p99 of an event, one stops`, value: p99OfEvent(slow), unit: "ms" },
    {
      figure: `${name}: p99 of an event, one stops / all read`,
      value: p99OfEvent(slow) / p99OfEvent(good),
      unit: "ratio",
      bound: P99_RATIO_BOUND,
    },
    { figure: `${name}: memory after all read`, value: bytes(good), unit: "bytes" },
    {
      figure: `${name}: memory, after one stopped / after all read`,
      value: bytes(slow) / bytes(good),
      unit: "ratio",
      bound: MEMORY_RATIO_BOUND,
    },
    ...peakFigures(name, peak, median(good.map(({ frameBytes }) => frameBytes ?? Number.NaN))),
  ];
}

/** Where the unread bytes were at their maximum. */
function peakFigures(name: string, peak: Peak, frameBytes: number): Figure[] {
  const figures: Figure[] = [
    {
      figure: `${name}: maximum unread, by the gateway's count`,
      value: peak.countedBytes,
      unit: "bytes",
      bound: OUTBOX_BYTES_MAX + 2 * PAYLOAD_BYTES,
    },
  ];
  if (peak.systemBytes === undefined) return figures;
  const heldBytes = peak.events * frameBytes - peak.takenBytes - peak.systemBytes;
  return [
    ...figures,
    {
      figure: `${name}: taken by the system and the client meanwhile`,
      value: peak.takenBytes + peak.systemBytes,
      unit: "bytes",
    },
    {
      figure: `${name}: held by the process / by its count`,
      value: heldBytes / peak.countedBytes,
      unit: "ratio",
      bound: HELD_RATIO_BOUND,
    },
  ];
}
