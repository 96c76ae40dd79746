import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../support/manual-clock.ts";
import { openStoresAt } from "../support/shared-stores.ts";
import { type BucketStoreHarness, bucketStoreContract } from "./bucket-store.contract.ts";
import { heldCountsContract } from "./held-counts.contract.ts";
import { type ReplayStoreHarness, replayStoreContract } from "./replay-store.contract.ts";
import { SharedProcesses } from "./support/shared-processes.ts";
import { SHARED_SETTINGS } from "./support/shared-settings.ts";

/** The stores in a shared file: in this process, then from two and four processes, also with a process that is killed between two calls. */

function openHere() {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-shared-"));
  const clock = new ManualClock();
  const stores = openStoresAt(join(folder, "tables"), SHARED_SETTINGS, clock);
  const close = () => {
    stores.close();
    rmSync(folder, { recursive: true });
  };
  return { clock, stores, close };
}

replayStoreContract({
  name: "shared file, one process",
  ownsClock: true,
  open() {
    const { clock, stores, close } = openHere();
    return { store: stores.replay, ...timeOf(clock), close };
  },
});

bucketStoreContract({
  name: "shared file, one process",
  propertyRuns: 50,
  open() {
    const { stores, close } = openHere();
    return { store: stores.buckets, close };
  },
});

heldCountsContract({
  name: "shared file, one process",
  open() {
    const { stores, close } = openHere();
    return { counts: stores.heldConnections, close };
  },
});

for (const count of [2, 4]) {
  heldCountsContract({
    name: `shared file, ${count} processes`,
    async open() {
      const processes = await SharedProcesses.start(count);
      return { counts: processes.held, close: () => processes.close() };
    },
  });
  for (const kills of [false, true]) {
    const name = `shared file, ${count} processes${kills ? ", one killed before every 20th call" : ""}`;
    const open = async () => new KilledNowAndThen(await SharedProcesses.start(count), kills);
    replayStoreContract({
      name,
      ownsClock: true,
      propertyRuns: kills ? 2 : 5,
      async open(): Promise<ReplayStoreHarness> {
        const clock = new ManualClock();
        const processes = await open();
        return { store: processes.replay(clock), ...timeOf(clock), close: () => processes.close() };
      },
    });
    bucketStoreContract({
      name,
      propertyRuns: kills ? 2 : 5,
      async open(): Promise<BucketStoreHarness> {
        const processes = await open();
        return { store: processes.buckets, close: () => processes.close() };
      },
    });
  }
}

const CALLS_PER_KILL = 20;

class KilledNowAndThen {
  readonly #processes: SharedProcesses;
  readonly #kills: boolean;
  #calls = 0;
  readonly #running = new Set<Promise<unknown>>();
  /** Calls wait for a kill that is going on. */
  #killing: Promise<void> = Promise.resolve();

  constructor(processes: SharedProcesses, kills: boolean) {
    this.#processes = processes;
    this.#kills = kills;
  }

  replay(clock: ManualClock): ReplayStoreHarness["store"] {
    const store = this.#processes.replay(() => clock.now());
    return { reserve: (...args) => this.#after(() => store.reserve(...args)) };
  }

  get buckets(): BucketStoreHarness["store"] {
    const { take, spend, check } = this.#processes.buckets;
    return {
      take: (...args) => this.#after(() => take(...args)),
      spend: (...args) => this.#after(() => spend(...args)),
      check: (...args) => this.#after(() => check(...args)),
    };
  }

  close(): Promise<void> {
    return this.#processes.close();
  }

  async #after<T>(call: () => T | Promise<T>): Promise<T> {
    this.#calls++;
    if (this.#kills && this.#calls % CALLS_PER_KILL === 0) this.#killing = this.#killing.then(() => this.#killWhenIdle());
    await this.#killing;
    const result = Promise.resolve(call());
    this.#running.add(result);
    return result.finally(() => this.#running.delete(result));
  }

  /** A call that is in progress in a killed process has no result. `shared-chaos.test.ts` kills processes in the middle of calls. */
  async #killWhenIdle(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.#processes.killOne();
  }
}

function timeOf(clock: ManualClock) {
  return { nowMs: () => clock.now(), advance: (ms: number) => clock.advance(ms), step: (ms: number) => clock.step(ms) };
}
