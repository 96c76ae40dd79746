import { readFileSync } from "node:fs";
import { type Child, startChild } from "./child.ts";

export interface SlowReaderSetting {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly listener: "edge" | "grpc";
  readonly contentType: string;
}

/** So many events to all, while the one reads, or does not. */
export interface Round {
  readonly reads: boolean;
  /** From the feed to the last byte of the payload, at the others: of each event, and of all. */
  readonly p99OfEventsMs: readonly number[];
  readonly p99Ms: number;
  /** Of an event, as one that reads has taken it. */
  readonly frameBytes: number | undefined;
  /** Of the gateway, when the one is gone. */
  readonly residentBytes: number;
}

/** Where the bytes were that the one did not read, when the gateway counted most of them. */
export interface Peak {
  /** To the one so far. */
  readonly events: number;
  /** The client's own, read or not. */
  readonly takenBytes: number;
  /** `sallyport_outbox_bytes`. */
  readonly countedBytes: number;
  /** Of the one's connection: sent and not acknowledged, or not read. `undefined` where the system does not tell. */
  readonly systemBytes: number | undefined;
}

const MARK = "benchmark-event-mark";
const STREAMS_PER_CONNECTION = 99;
export const PAYLOAD_BYTES = 16 * 1024;
const PAYLOAD = JSON.stringify({ filler: "x".repeat(PAYLOAD_BYTES), text: MARK });
/** What the system may hold of a connection (tcp_wmem and tcp_rmem on Linux), and an outbox, and room. */
const UNREAD_EVENTS_MAX = (48 * 1024 * 1024) / PAYLOAD_BYTES;
/** By then the system holds as much as it will: what comes now stays with the gateway. */
const FULL_BYTES = 64 * 1024;
/** Rounds go on after the slow one has ended, by this part of the events until then. */
const AFTER_THE_END = 0.25;
const SESSION = "slow-reader";

/** A gateway, its readers, and the one of which it is asked whether it reads. */
export class SlowReaderRun {
  readonly rounds: Round[] = [];
  peak: Peak = { events: 0, takenBytes: 0, countedBytes: 0, systemBytes: undefined };
  readonly #gateway: Child;
  readonly #clients: Child;
  readonly #readers: number;
  readonly #pushUrl: string;
  /** To the one alone, at the beginning of a round, and then to all. */
  #eventsToOne = 0;
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

  /** Finds out how many events one that stops is sent until the system has its fill, and how many more until it is given up. */
  async warmUp(): Promise<void> {
    await this.#openReader(false);
    await this.#fill();
    const before = await this.#slowEnds();
    for (let n = 1; (await this.#slowEnds()) === before; n++) {
      if (n > UNREAD_EVENTS_MAX) throw new Error(`one that did not read ${n} events is still not given up`);
      await this.#broadcast();
      this.#eventsToAll = Math.ceil(n * (1 + AFTER_THE_END));
    }
    await this.#leave();
  }

  async round(reads: boolean): Promise<void> {
    await this.#openReader(reads);
    const before = await this.#slowEnds();
    if (reads) for (let n = 0; n < this.#eventsToOne; n++) await this.#pushToOne();
    else await this.#fill();
    const latencies: (readonly number[])[] = [];
    for (let n = 1; n <= this.#eventsToAll; n++) {
      latencies.push(await this.#broadcast());
      await this.#look(this.#eventsToOne + n, reads);
    }
    const ends = (await this.#slowEnds()) - before;
    if (ends !== (reads ? 0 : 1))
      throw new Error(`${ends} were given up in a round in which the one ${reads ? "read" : "stopped"}`);
    const streamBytes = Number(await this.#ask("/taken"));
    if (!reads) await this.#expectEnd();
    await this.#leave();
    const p99OfEventsMs = latencies.map(p99);
    const frameBytes = reads ? streamBytes / (this.#eventsToOne + this.#eventsToAll) : undefined;
    this.rounds.push({
      reads,
      p99OfEventsMs,
      p99Ms: p99(latencies.flat()),
      frameBytes,
      residentBytes: await this.#gateway.residentBytes(),
    });
  }

  /** Events to the one alone, until the system has its fill. */
  async #fill(): Promise<void> {
    for (this.#eventsToOne = 0; (await this.#unread()) < FULL_BYTES; this.#eventsToOne++) {
      if (this.#eventsToOne > UNREAD_EVENTS_MAX) throw new Error("what one does not read is nowhere seen");
      await this.#pushToOne();
    }
  }

  stop(): Promise<void> {
    return this.#clients.stop();
  }

  /** One event to all. Gives how long it took to each of the others, in milliseconds. */
  async #broadcast(): Promise<readonly number[]> {
    const sinceMs = performance.timeOrigin + performance.now();
    await fetch(this.#pushUrl, { method: "POST", body: PAYLOAD });
    return JSON.parse(await this.#ask(`/arrivals?since=${sinceMs}&count=${this.#readers}`));
  }

  async #pushToOne(): Promise<void> {
    await fetch(`${this.#pushUrl}?session=${SESSION}`, { method: "POST", body: PAYLOAD });
  }

  /** In every round, so that looking costs the same in all. */
  async #look(events: number, reads: boolean): Promise<void> {
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

  /** Who reads on in the end is told why there is no more. */
  async #expectEnd(): Promise<void> {
    const end = await this.#ask("/read");
    if (!end.includes("SLOW_CONSUMER"))
      throw new Error(`the slow reader's stream ended without its reason: ${end.slice(-300)}`);
  }

  async #leave(): Promise<void> {
    await this.#ask("/leave");
    while ((await this.#metric("sallyport_streams{")) > this.#readers) await Bun.sleep(5);
  }

  /** Of the stream that has most. */
  #unread(): Promise<number> {
    return this.#metric('sallyport_outbox_bytes{quantile="1"}');
  }

  #slowEnds(): Promise<number> {
    return this.#metric('sallyport_streams_ended_total{reason="SLOW_CONSUMER"}');
  }

  /** The sum of the lines that begin so. */
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

/** What Linux holds of a connection over loopback: the sender's tx_queue and the receiver's rx_queue (proc(5), /proc/net/tcp). */
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
