import { until } from "../support/until.ts";
import { type OpenFiles, TO_BACKEND, TO_CLIENTS, total } from "./files.ts";
import type { Stage } from "./stage.ts";

/** What a gateway holds when its clients are gone. */
export interface Rest {
  readonly streams: number;
  readonly residentBytes: number;
  readonly files: OpenFiles;
}

/** The last clients are closed, buffers given back, the backend's idle connections cut (after 10 s, by the backend). */
const SETTLED_WITHIN_MS = 20_000;
/** Collections in a row between which memory has not gone down by more. */
const STILL = 0.995;
const SAMPLES_MAX = 12;
const SAMPLE_INTERVAL_MS = 300;

/** Waits until no more goes, and says what stays; does not fail where something stays. */
export async function rest(stage: Stage, filesMax = Number.POSITIVE_INFINITY): Promise<Rest> {
  const streams = () => stage.gateway.ask("metric", "sallyport_streams");
  const isQuiet = async () => {
    const files = stage.openFiles();
    const isClosed = files[TO_CLIENTS] === undefined && (files[TO_BACKEND] ?? 0) <= KEPT_TO_BACKEND;
    return isClosed && total(files) <= filesMax && (await streams()) === 0;
  };
  await until(isQuiet, "the gateway to be quiet", SETTLED_WITHIN_MS).catch(() => {});
  return { streams: await streams(), residentBytes: await residentBytes(stage), files: stage.openFiles() };
}

/** The push feed's, always; and at times one for look-ups. */
const KEPT_TO_BACKEND = 2;

async function residentBytes({ gateway }: Stage): Promise<number> {
  let least = await gateway.ask("residentBytes");
  for (let n = 1; n < SAMPLES_MAX; n++) {
    await Bun.sleep(SAMPLE_INTERVAL_MS);
    const now = await gateway.ask("residentBytes");
    if (now > least * STILL) return Math.min(now, least);
    least = now;
  }
  return least;
}
