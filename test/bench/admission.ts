import type { BucketDemand } from "../../src/core/buckets.ts";
import { MemoryBucketStore } from "../../src/stores/memory/buckets.ts";
import { MemoryReplayStore } from "../../src/stores/memory/replay.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { redisRoundTrips } from "./redis-trips.ts";

/** Bound of the cost ratio between any two sizes. The rest of the difference is due to CPU caches and page tables. */
const RATIO_BOUND = 2;
const LINE_LANES = 16;
/** Batches per turn. Many, because the first finds the CPU caches filled by another size. */
const BATCHES = 50;
const TURNS = 8;
const START_MS = 1_760_000_000_000;
const HOUR_MS = 3_600_000;
/** Such a bucket is live for the whole run after its first token, and never empty. */
const BUDGET = { ratePerSecond: 1 / 3600, burst: 1_000_000 };
const SCOPES = ["ip", "session", "user", "message_type"] as const;

interface Cost {
  readonly reserveNs: number;
  readonly takeOneNs: number;
  readonly takeNs: number;
  readonly bytesPerEntry: number;
  /** The floor: the time to read random cache lines of as much memory. */
  readonly oneLineNs: number;
  readonly fourLinesNs: number;
}

/** The cost of the two stores per request by the number of live entries. A table larger than the CPU caches must not cost much more. */
export const admission: Benchmark = {
  name: "admission",
  about:
    "one reservation and one take of four buckets by the number of live entries per table, and the cost of memory access alone",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const sizes = scale === "full" ? [10_000, 1_000_000, 10_000_000] : [8000, 40_000];
    const batches = scale === "full" ? BATCHES : 5;
    const all = sizes.map((entries) => new Tables(entries));
    // In turns, so that other load of the machine affects every size alike.
    for (let turn = 0; turn < TURNS; turn++) for (const tables of all) tables.measure(batches);
    const costs = all.map((tables) => ({ entries: tables.entries, cost: tables.cost(batches) }));
    const figures = costs.flatMap(({ entries, cost }, at) => {
      const ofSize: Figure[] = [
        { figure: `reserve, ${shown(entries)} live`, value: cost.reserveNs, unit: "ns" },
        { figure: `take of one, ${shown(entries)} live`, value: cost.takeOneNs, unit: "ns" },
        { figure: `take of four, ${shown(entries)} live`, value: cost.takeNs, unit: "ns" },
        { figure: `one random cache line, ${shown(entries)} live`, value: cost.oneLineNs, unit: "ns" },
        { figure: `four of them at once, ${shown(entries)} live`, value: cost.fourLinesNs, unit: "ns" },
        { figure: `memory of an entry, ${shown(entries)} live`, value: cost.bytesPerEntry, unit: "bytes" },
      ];
      for (const smaller of costs.slice(0, at)) {
        const value = sum(cost) / sum(smaller.cost);
        ofSize.push({ figure: `${shown(entries)} / ${shown(smaller.entries)}`, value, unit: "ratio", bound: RATIO_BOUND });
      }
      return ofSize;
    });
    return [...figures, ...(await redisRoundTrips(scale === "full" ? 100 : 5))];
  },
};

function sum({ reserveNs, takeNs }: Cost): number {
  return reserveNs + takeNs;
}

function shown(entries: number): string {
  return entries.toLocaleString("en");
}

const OPERATIONS = 1000;

/** Two tables filled with live entries, and the measured times of operations on them. */
class Tables {
  readonly entries: number;
  readonly #bytesPerEntry: number;
  readonly #replay: MemoryReplayStore;
  readonly #buckets: MemoryBucketStore;
  readonly #reserveNs: number[] = [];
  readonly #takeOneNs: number[] = [];
  readonly #takeNs: number[] = [];
  #nowMs = START_MS;

  constructor(entries: number) {
    this.entries = entries;
    Bun.gc(true);
    const bytesBefore = process.memoryUsage().arrayBuffers;
    // The reservations of a batch expire before the next. A fifth of the capacity is for expired entries whose slot is not yet reused.
    const entriesMax = entries * 1.25;
    this.#replay = new MemoryReplayStore({ now: () => this.#nowMs, monotonic: () => 0 }, { entriesMax });
    this.#buckets = new MemoryBucketStore({ entriesMax });
    for (let n = 0; n < entries; n++) {
      const isFirst = this.#replay.reserve(`session-${n % 50_000}`, `request-${n}`, START_MS + HOUR_MS);
      if (!isFirst || this.#buckets.take([demandOf(n)], START_MS) !== true) throw new Error(`entry ${n} was refused`);
    }
    Bun.gc(true);
    this.#bytesPerEntry = (process.memoryUsage().arrayBuffers - bytesBefore) / (2 * entries);
  }

  measure(batches: number): void {
    for (let n = 0; n < batches; n++) {
      this.#nowMs += 2;
      const nowMs = this.#nowMs;
      const ids = Array.from({ length: OPERATIONS }, (_, at) => [`session-${at}`, `fresh-${nowMs}-${at}`] as const);
      this.#reserveNs.push(nsEach(ids, ([session, id]) => this.#replay.reserve(session, id, nowMs + 1)));
      const demands = Array.from({ length: OPERATIONS }, () => demandsOf(this.entries));
      this.#takeNs.push(nsEach(demands, (four) => this.#buckets.take(four, nowMs) === true));
      const ones = Array.from({ length: OPERATIONS }, () => demandsOf(this.entries).slice(0, 1));
      this.#takeOneNs.push(nsEach(ones, (one) => this.#buckets.take(one, nowMs) === true));
    }
  }

  cost(floorBatches: number): Cost {
    const floor = readsOf(this.#bytesPerEntry * this.entries, floorBatches);
    const [reserveNs, takeOneNs, takeNs] = [median(this.#reserveNs), median(this.#takeOneNs), median(this.#takeNs)];
    return { reserveNs, takeOneNs, takeNs, bytesPerEntry: this.#bytesPerEntry, ...floor };
  }
}

/** Each read depends on the one before, as the operations on a table do. The reads of four depend on the four before. */
function readsOf(bytes: number, batches: number): Pick<Cost, "oneLineNs" | "fourLinesNs"> {
  const lines = Math.floor(bytes / (4 * LINE_LANES));
  const memory = new Int32Array(lines * LINE_LANES).fill(1);
  const at = (lane: number) => memory[lane] ?? 0;
  let read = 0;
  const one = ([lane = 0]: readonly number[]) => {
    read = at(lane + (read >> 3));
    return true;
  };
  const four = ([a = 0, b = 0, c = 0, d = 0]: readonly number[]) => {
    const offset = read >> 3;
    read = at(a + offset) + at(b + offset) + at(c + offset) + at(d + offset);
    return true;
  };
  const oneNs: number[] = [];
  const fourNs: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    for (const [ns, operation] of [
      [oneNs, one],
      [fourNs, four],
    ] as const) {
      const lanes = Array.from({ length: OPERATIONS }, () => SCOPES.map(() => Math.floor(Math.random() * lines) * LINE_LANES));
      ns.push(nsEach(lanes, operation));
    }
  }
  return { oneLineNs: median(oneNs), fourLinesNs: median(fourNs) };
}

/**
 * Each key belongs to one scope, so that every bucket that is taken from is live. All keys have the same length, because longer ones take
 * longer to hash.
 */
function demandOf(n: number): BucketDemand {
  const scope = SCOPES[n % SCOPES.length] ?? "ip";
  return { scope, key: `key-${String(n).padStart(8, "0")}`, budget: BUDGET };
}

/** One random live key of each scope. `entries` is a multiple of four. */
function demandsOf(entries: number): BucketDemand[] {
  return SCOPES.map((_, at) => demandOf(Math.floor((Math.random() * entries) / SCOPES.length) * SCOPES.length + at));
}

function nsEach<T>(inputs: readonly T[], operation: (input: T) => boolean): number {
  const startedAt = Bun.nanoseconds();
  let done = 0;
  for (const input of inputs) if (operation(input)) done++;
  const elapsedNs = Bun.nanoseconds() - startedAt;
  if (done !== inputs.length) throw new Error(`${inputs.length - done} of ${inputs.length} were refused`);
  return elapsedNs / inputs.length;
}
