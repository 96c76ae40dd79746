import { readFileSync } from "node:fs";
import { until } from "../support/until.ts";
import { type Child, startChild } from "./child.ts";

export interface SlowReaderSetting {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly listener: "edge" | "grpc";
  readonly contentType: string;
}

/** A series of events to all streams, while the slow reader reads or not. */
export interface Round {
  readonly reads: boolean;
  /** Latency from the feed to the last byte of the payload at the other streams: per event, and of all. */
  readonly p99OfEventsMs: readonly number[];
  readonly p99Ms: number;
  /** Bytes of one event on the stream; `undefined` if it does not read. */
  readonly frameBytes: number | undefined;
  /** The gateway's memory after the slow reader has disconnected. */
  readonly residentBytes: number;
}

/** Where the unread bytes of the slow reader were when the gateway counted the most. */
export interface Peak {
  /** Events sent to the slow reader so far. */
  readonly events: number;
  /** Bytes that the client has received, read or not. */
  readonly takenBytes: number;
  /** `sallyport_outbox_bytes`. */
  readonly countedBytes: number;
  /** Bytes in the kernel's buffers of the connection. `undefined` if the system does not report them. */
  readonly systemBytes: number | undefined;
}

const MARK = "benchmark-event-mark";
const STREAMS_PER_CONNECTION = 99;
export const PAYLOAD_BYTES = 16 * 1024;
const PAYLOAD = JSON.stringify({ filler: "x".repeat(PAYLOAD_BYTES), text: MARK });
/** More than the kernel's buffers (tcp_wmem and tcp_rmem on Linux) and an outbox hold together. */
const UNREAD_EVENTS_MAX = (48 * 1024 * 1024) / PAYLOAD_BYTES;
/** If the gateway holds this much, the kernel's buffers are full. */
const FULL_BYTES = 64 * 1024;
/** Rounds continue after the slow reader's stream has ended, with this part of the events so far. */
const EVENTS_AFTER_END = 0.25;
const SESSION = "slow-reader";

/** A gateway with its readers and the slow reader. */
export class SlowReaderRun {
  readonly rounds: Round[] = [];
  peak: Peak = { events: 0, takenBytes: 0, countedBytes: 0, systemBytes: undefined };
  readonly #gateway: Child;
  readonly #clients: Child;
  readonly #readers: number;
  readonly #pushUrl: string;
  /** Events to the slow reader alone at the beginning of a round, then to all. */
  #eventsToReader = 0;
  #eventsToAll = 0;
  #readerPort = 0;

  private constructor(readers: number, gateway: Child, clients: Child, backendUrl: string) {
    this.#readers = readers;
    this.#gateway = gateway;
    this.#clients = clients;
    this.#pushUrl = `${backendUrl}/push`;
  }

  static async start(parts: { setting: SlowReaderSetting; readers: number; gateway: Child; backendUrl: string }) {
    const { setting, readers, gateway, backendUrl } = parts;
    const { http, contentType } = setting;
    const where = { port: gateway.ready.port, http, contentType, streamsPerConnection: STREAMS_PER_CONNECTION };
    const clients = await startChild("slow-clients", { ...where, streams: readers, mark: MARK, readerSession: SESSION });
    const run = new SlowReaderRun(readers, gateway, clients, backendUrl);
    await run.#ask("/open");
    return run;
  }

  /** Determines how many events fill the kernel's buffers, and how many more end the stream. */
  async warmUp(): Promise<void> {
    await this.#openReader(false);
    await this.#fill();
    const before = await this.#slowEnds();
    for (let n = 1; (await this.#slowEnds()) === before; n++) {
      if (n > UNREAD_EVENTS_MAX) throw new Error(`the stream is still open after ${n} unread events`);
      await this.#broadcast();
      this.#eventsToAll = Math.ceil(n * (1 + EVENTS_AFTER_END));
    }
    await this.#leave();
  }

  async round(reads: boolean): Promise<void> {
    await this.#openReader(reads);
    const before = await this.#slowEnds();
    if (reads) for (let n = 0; n < this.#eventsToReader; n++) await this.#pushToReader();
    else await this.#fill();
    const latencies: (readonly number[])[] = [];
    for (let n = 1; n <= this.#eventsToAll; n++) {
      latencies.push(await this.#broadcast());
      await this.#sample(this.#eventsToReader + n, reads);
    }
    const ends = (await this.#slowEnds()) - before;
    if (ends !== (reads ? 0 : 1))
      throw new Error(`${ends} streams ended in a round in which the reader ${reads ? "read" : "stopped"}`);
    const streamBytes = Number(await this.#ask("/taken"));
    if (!reads) await this.#expectEnd();
    await this.#leave();
    const p99OfEventsMs = latencies.map(p99);
    const frameBytes = reads ? streamBytes / (this.#eventsToReader + this.#eventsToAll) : undefined;
    this.rounds.push({
      reads,
      p99OfEventsMs,
      p99Ms: p99(latencies.flat()),
      frameBytes,
      residentBytes: await this.#gateway.residentBytes(),
    });
  }

  /** Sends events to the slow reader alone until the kernel's buffers are full. */
  async #fill(): Promise<void> {
    for (this.#eventsToReader = 0; (await this.#unread()) < FULL_BYTES; this.#eventsToReader++) {
      if (this.#eventsToReader > UNREAD_EVENTS_MAX) throw new Error("the unread bytes appear in no count");
      await this.#pushToReader();
    }
  }

  stop(): Promise<void> {
    return this.#clients.stop();
  }

  /** Sends one event to all. Resolves to the latencies of the other streams, in milliseconds. */
  async #broadcast(): Promise<readonly number[]> {
    const sinceMs = performance.timeOrigin + performance.now();
    await fetch(this.#pushUrl, { method: "POST", body: PAYLOAD });
    return JSON.parse(await this.#ask(`/arrivals?since=${sinceMs}&count=${this.#readers}`));
  }

  async #pushToReader(): Promise<void> {
    await fetch(`${this.#pushUrl}?session=${SESSION}`, { method: "POST", body: PAYLOAD });
  }

  /** Samples the counts. It runs in every round, so that its cost is the same in all. */
  async #sample(events: number, reads: boolean): Promise<void> {
    const countedBytes = await this.#unread();
    const takenBytes = Number(await this.#ask("/taken"));
    const systemBytes = systemBytesBetween(this.#gateway.ready.port, this.#readerPort);
    if (reads || countedBytes <= this.peak.countedBytes) return;
    this.peak = { events, takenBytes, countedBytes, systemBytes };
  }

  async #openReader(reads: boolean): Promise<void> {
    this.#readerPort = JSON.parse(await this.#ask("/reader")).port;
    if (!reads) await this.#ask("/stop");
  }

  /** A slow reader that reads at the end finds the reason. */
  async #expectEnd(): Promise<void> {
    const end = await this.#ask("/read");
    if (!end.includes("SLOW_CONSUMER"))
      throw new Error(`the slow reader's stream ended without its reason: ${end.slice(-300)}`);
  }

  async #leave(): Promise<void> {
    await this.#ask("/leave");
    await until(async () => (await this.#metric("sallyport_streams{")) <= this.#readers, "the slow reader's stream to end");
  }

  /** The largest outbox of all streams. */
  #unread(): Promise<number> {
    return this.#metric('sallyport_outbox_bytes{quantile="1"}');
  }

  #slowEnds(): Promise<number> {
    return this.#metric('sallyport_streams_ended_total{reason="SLOW_CONSUMER"}');
  }

  /** The sum of the metric lines with this prefix. */
  async #metric(prefix: string): Promise<number> {
    const lines = (await (await fetch(`${this.#gateway.ready.adminUrl}/metrics`)).text()).split("\n");
    return lines.filter((line) => line.startsWith(prefix)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  async #ask(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.#clients.ready.port}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.text();
  }
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

/** The bytes in Linux's buffers of a loopback connection: the sender's tx_queue and the receiver's rx_queue (proc(5), /proc/net/tcp). */
function systemBytesBetween(senderPort: number, receiverPort: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  let bytes = 0;
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n").slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (local === undefined || remote === undefined || queues === undefined) continue;
    const [from, to] = [local, remote].map((end) => Number.parseInt(end.split(":")[1] ?? "", 16));
    const [tx, rx] = queues.split(":").map((hex) => Number.parseInt(hex, 16));
    if (from === senderPort && to === receiverPort) bytes += tx ?? 0;
    if (from === receiverPort && to === senderPort) bytes += rx ?? 0;
  }
  return bytes;
}
