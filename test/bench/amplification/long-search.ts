import { CORPUS_FOLDER, keep, readCorpus } from "../../fuzz/hostile/corpus.ts";
import { ENTRANCES } from "../../fuzz/hostile/ways.ts";
import { startGateways } from "./gateways.ts";
import { type Found, search } from "./search.ts";
import { Subject } from "./subject.ts";

const WARM_UPS = 200;
/** One batch per input. The benchmark measures the kept inputs again. */
const NO_BOUND = Number.MAX_VALUE;

/** Searches with the given number of variations and writes the most expensive inputs to the corpus. */
export async function longSearch(variations: number): Promise<void> {
  const gateways = await startGateways();
  try {
    const [entrance] = ENTRANCES;
    if (entrance === undefined) return;
    const subject = new Subject(gateways.of("roomy", entrance.port), entrance);
    await subject.warmUp(WARM_UPS);
    const [seed = 1] = crypto.getRandomValues(new Uint32Array(1));
    console.log(`seed ${seed}; what is found is kept in ${CORPUS_FOLDER}`);
    const found = await search(subject, readCorpus(), { stride: 1, variations, seed, boundMicros: NO_BOUND, packed: true });
    for (const each of found) console.log(line(each, keep(each.input)));
    subject.close();
  } finally {
    await gateways.stop();
  }
}

function line({ cost }: Found, file: string | undefined): string {
  const { what, cpuMicros, sentBytes } = cost;
  return `${(cpuMicros / 1000).toFixed(2)} ms, ${sentBytes} bytes, ${what}${file === undefined ? " (too long to keep)" : ""}`;
}
