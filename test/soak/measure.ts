import { until } from "../support/until.ts";
import { type OpenFiles, TO_BACKEND, TO_CLIENTS, total } from "./files.ts";
import type { Testbed } from "./testbed.ts";

/** What a gateway holds after its clients have disconnected. */
export interface Leftover {
  readonly streams: number;
  readonly residentBytes: number;
  readonly files: OpenFiles;
}

/** Time for the last connections to close and buffers to be freed. The backend closes idle connections after 10 s. */
const SETTLED_WITHIN_MS = 20_000;
/** Memory counts as stable if a further collection leaves at least this part of it. */
const STABLE = 0.995;
const SAMPLES_MAX = 12;
const SAMPLE_INTERVAL_MS = 300;

/** Waits until nothing more is freed, then measures. Does not fail if something is left. */
export async function leftoverOf(testbed: Testbed, filesMax = Number.POSITIVE_INFINITY): Promise<Leftover> {
  const streams = () => testbed.gateway.ask("metric", "sallyport_streams");
  const isQuiet = async () => {
    const files = testbed.openFiles();
    const isClosed = files[TO_CLIENTS] === undefined && (files[TO_BACKEND] ?? 0) <= KEPT_TO_BACKEND;
    return isClosed && total(files) <= filesMax && (await streams()) === 0;
  };
  await until(isQuiet, "the gateway to be quiet", SETTLED_WITHIN_MS).catch(() => {});
  return { streams: await streams(), residentBytes: await residentBytes(testbed), files: testbed.openFiles() };
}

/** The push feed, and sometimes one connection for look-ups. */
const KEPT_TO_BACKEND = 2;

async function residentBytes({ gateway }: Testbed): Promise<number> {
  let least = await gateway.ask("residentBytes");
  for (let n = 1; n < SAMPLES_MAX; n++) {
    await Bun.sleep(SAMPLE_INTERVAL_MS);
    const now = await gateway.ask("residentBytes");
    if (now > least * STABLE) return Math.min(now, least);
    least = now;
  }
  return least;
}
