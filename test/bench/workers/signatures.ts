import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../support/until.ts";
import type { Figure } from "../benchmark.ts";
import { type Child, startChild } from "../child.ts";
import type { Served } from "../served.ts";
import { edgeOf, startGateway } from "./gateway.ts";

const COUNTER = join(import.meta.dir, "../children/signature-counter.ts");
const STREAMS = 64;
const EVENTS = 10;
const MARK = "signature-count-event";

/** The signatures of an event that streams of two workers receive, counted in all processes of the gateway. */
export async function signatures(backend: Child): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-bench-"));
  const counted = join(folder, "signatures");
  writeFileSync(counted, "");
  const env = { BUN_OPTIONS: `--preload=${COUNTER}`, SIGNATURE_FILE: counted };
  const gateway = await startGateway(backend, 2, { "streams.heartbeat_ms": "600000" }, { env });
  const { port } = edgeOf(gateway).ready;
  const parameters = { port, streams: STREAMS, http: "1.1", contentType: "application/connect+proto", streamsPerConnection: 1 };
  const clients = await startChild("push-clients", { ...parameters, mark: MARK });
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${clients.ready.port}${path}`)).text();
  try {
    await ask("/open");
    const before = statSync(counted).size;
    if (before < STREAMS) throw new Error("the signatures of the opened streams are not counted");
    const perWorker = await streamsPerWorker(gateway);
    if (perWorker.length !== 2 || perWorker.includes(0)) throw new Error(`streams of each worker: ${perWorker}`);
    for (let n = 1; n <= EVENTS; n++) {
      await fetch(`http://127.0.0.1:${backend.ready.port}/push`, { method: "POST", body: JSON.stringify({ text: MARK }) });
      await until(async () => Number(await ask("/count")) >= n * STREAMS, "the event on every stream");
    }
    const perEvent = (statSync(counted).size - before) / EVENTS;
    return [{ figure: "signatures of an event to streams of two workers", value: perEvent, unit: "signatures", bound: 1 }];
  } finally {
    await Promise.all([clients.stop(), gateway.stop()]);
    rmSync(folder, { recursive: true });
  }
}

async function streamsPerWorker({ adminUrl }: Served): Promise<number[]> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  return [...metrics.matchAll(/^sallyport_worker_streams\{.*\} (\d+)$/gm)].map(([, streams]) => Number(streams));
}
