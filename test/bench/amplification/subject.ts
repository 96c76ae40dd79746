import { decodingCost } from "../../../src/rpc/peer-guard.ts";
import { type HostileAnswer, type HostileCarrier, hostileCarrier } from "../../fuzz/hostile/carrier.ts";
import type { HostileInput } from "../../fuzz/hostile/input.ts";
import {
  decodedBytes,
  type Entrance,
  type HostileRequest,
  requestOn,
  sentBytes,
  type Way,
  waysOf,
} from "../../fuzz/hostile/ways.ts";
import { sendWire } from "../../fuzz/hostile/wire-carrier.ts";
import { WIRES, type WireInput } from "../../fuzz/hostile/wire-shapes.ts";
import type { Child } from "../child.ts";

/** What one request costs the gateway's process. */
export interface Cost {
  readonly what: string;
  readonly cpuMicros: number;
  readonly sentBytes: number;
  /** The failures that it counts as (proto/README.md, "Budgets"). */
  readonly failures: number;
  /** Measures again, with more batches; gives the lower cost. */
  readonly again: () => Promise<Cost>;
}

/** `limits.request_bytes_max` by default. */
const MESSAGE_BYTES_MAX = 512 * 1024;
/** Requests between two readings of the CPU clock. */
const BATCH = 2;
/** Other load only adds to a cost. A cost that is not clearly below its bound is measured again; the lowest batch counts. */
const BATCHES_MAX = 5;
/** The first requests after an idle period pay for page faults: the allocator has returned memory to the kernel. */
const BATCHES_AGAIN_MAX = 80;
const CLEARLY_BELOW = 0.6;

/** A process is idle if it uses less CPU than this in SETTLE_MS. */
const SETTLED_MICROS = 2000;
const SETTLE_MS = 100;
const SETTLE_LOOKS_MAX = 40;

const utf8 = new TextEncoder();
const WARM_UP: HostileInput = { name: "", kind: "json", bytes: utf8.encode('{"envelope":{"timestampMs":"1"}}') };
/** Long messages grow the heap and compile other code than short ones. */
const LONG_WARM_UP: HostileInput = {
  name: "",
  kind: "json",
  bytes: utf8.encode(`{"envelope":{"requestId":"é"},"signature":"${"a".repeat(500_000)}"}`),
};

/** Measures a gateway through one of its entrances. */
export class Subject {
  readonly entrance: Entrance;
  readonly url: string;
  readonly #child: Child;
  readonly #carrier: HostileCarrier;

  constructor(child: Child, entrance: Entrance) {
    const { port, grpcPort } = child.ready;
    this.entrance = entrance;
    this.#child = child;
    this.url = `http://127.0.0.1:${entrance.listener === "grpc" ? grpcPort : port}`;
    this.#carrier = hostileCarrier(entrance.http, this.url);
  }

  close(): void {
    this.#carrier.close();
  }

  /** Sends short and long requests and opens connections, until their code is compiled. */
  async warmUp(times: number): Promise<void> {
    const [way] = waysOf(this.entrance).filter(({ codec }) => codec === "json");
    const wire = WIRES.find(
      ({ http, name }) => http === this.entrance.http && /^(requests of nothing|a trailer section)/.test(name),
    );
    for (let n = 0; n < times; n++) {
      if (way !== undefined) await this.#carrier.send(requestOn(way, WARM_UP));
      if (wire !== undefined && n % 8 === 0) await sendWire(this.url, wire);
      if (way !== undefined && n % 4 === 0) await this.#carrier.send(requestOn(way, LONG_WARM_UP));
    }
    await this.#settle();
  }

  /** Waits until compilation and garbage collection in the background are done. */
  async #settle(): Promise<void> {
    for (let look = 0; look < SETTLE_LOOKS_MAX; look++) {
      const before = await this.#child.cpuMicros();
      await Bun.sleep(SETTLE_MS);
      if ((await this.#child.cpuMicros()) - before < SETTLED_MICROS) return;
    }
  }

  send(way: Way, input: HostileInput): Promise<HostileAnswer> {
    return this.#carrier.send(requestOn(way, input));
  }

  /** CPU of one request. `failureMicrosMax`: the bound per counted failure. */
  costOf(way: Way, input: HostileInput, failureMicrosMax: number): Promise<Cost> {
    const request = requestOn(way, input);
    const failures = way.encoding === undefined ? 1 : decodingCost(decodedBytes(way, request), true, MESSAGE_BYTES_MAX);
    const about = { what: `${way.name}: ${input.name}`, sentBytes: sentBytes(request), failures };
    return this.#measure(about, () => this.#carrier.send(request), failureMicrosMax * failures);
  }

  /** CPU of a request that is refused before it is decompressed, and so counts once. */
  refusedCostOf(way: Way, input: HostileInput, microsMax: number): Promise<Cost> {
    const request = requestOn(way, input);
    const about = { what: `${way.name}: ${input.name}`, sentBytes: sentBytes(request), failures: 1 };
    return this.#measure(about, () => this.#carrier.send(request), microsMax);
  }

  /** CPU of a whole connection. */
  wireCostOf(input: WireInput, failureMicrosMax: number): Promise<Cost> {
    const failures = Math.max(1, input.requests);
    const about = { what: `${this.entrance.name}: ${input.name}`, sentBytes: input.bytes.byteLength, failures };
    return this.#measure(about, () => sendWire(this.url, input), failureMicrosMax * failures);
  }

  async #measure(about: Omit<Cost, "cpuMicros" | "again">, send: () => Promise<unknown>, boundMicros: number): Promise<Cost> {
    const first = await this.#leastCpu(send, boundMicros, BATCHES_MAX);
    const of = (cpuMicros: number): Cost => ({
      ...about,
      cpuMicros,
      again: async () => of(Math.min(cpuMicros, await this.#leastCpu(send, boundMicros, BATCHES_AGAIN_MAX))),
    });
    return of(first);
  }

  /** Growth of the resident set at its peak, while concurrent requests are served. */
  async growthBytes(request: HostileRequest, atOnce: number): Promise<number> {
    const before = await this.#child.ask<number>("forgetPeak");
    await Promise.all(Array.from({ length: atOnce }, () => this.#carrier.send(request)));
    // Few requests may fit into pages that are resident already.
    return Math.max(1, (await this.#child.ask<number>("peakBytes")) - before);
  }

  async #leastCpu(send: () => Promise<unknown>, boundMicros: number, batchesMax: number): Promise<number> {
    await send();
    let least = Number.POSITIVE_INFINITY;
    for (let batch = 0; batch === 0 || (batch < batchesMax && least > boundMicros * CLEARLY_BELOW); batch++) {
      const before = await this.#child.cpuMicros();
      for (let n = 0; n < BATCH; n++) await send();
      least = Math.min(least, ((await this.#child.cpuMicros()) - before) / BATCH);
    }
    return least;
  }
}
