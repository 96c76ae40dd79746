import { create, toJsonString } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { ExecuteCommandRequestSchema, Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "./event-subscriber.ts";
import { outcomeOf } from "./outcome.ts";
import { Poller } from "./poller.ts";
import { RawHttp1 } from "./raw-http.ts";
import { receivedSequence } from "./received-sequence.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

const PAUSE_MS = 5;
const RETRY_MS = 20;
const STREAM_MS_MAX = 60_000;

/** Sends commands one after the other, without a retry, until `stop`. */
export class CommandLoad {
  /** The number of calls by outcome. */
  readonly outcomes: Record<string, number> = {};
  #isDone = false;
  readonly #running: Promise<void>;

  /** `call`: sends one command. Resolves to its outcome. */
  constructor(call: () => Promise<string>) {
    this.#running = this.#run(call);
  }

  get calls(): number {
    return Object.values(this.outcomes).reduce((sum, count) => sum + count, 0);
  }

  stop(): Promise<void> {
    this.#isDone = true;
    return this.#running;
  }

  async #run(call: () => Promise<string>): Promise<void> {
    while (!this.#isDone) {
      const outcome = await call().catch(String);
      this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
      await Bun.sleep(PAUSE_MS);
    }
  }
}

const sign = (device: Device) => device.signer.sign("user.profile.get", new Uint8Array());

/** Commands of a client library. */
export function libraryCalls(transport: Transport, device: Device): () => Promise<string> {
  const client = createClient(Gateway, transport);
  return () => outcomeOf(async () => (await client.executeCommand(await sign(device))).envelope?.resultCode);
}

/** Calls of FetchEvents that wait `waitMs` for an event. */
export function pollCalls(transport: Transport, device: Device, waitMs: number): () => Promise<string> {
  const poller = new Poller(transport, device);
  return () => outcomeOf(async () => ((await poller.poll({ wait_ms: waitMs })).length > 0 ? "ok" : "no events"));
}

/**
 * Commands over raw HTTP/1.1: each over a connection of its own, or all over one connection until the gateway answers with
 * `Connection: close`.
 */
export function rawCalls(url: string, device: Device, isKept: boolean): () => Promise<string> {
  let kept: RawHttp1 | undefined;
  return async () => {
    const body = toJsonString(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, await sign(device)));
    const connection = kept ?? (await RawHttp1.open(url));
    kept = isKept ? connection : undefined;
    connection.received = Buffer.alloc(0);
    const head = `POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n`;
    connection.send(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const answer = await connection.answer();
    const isOver = answer === undefined || answer.headers["connection"] === "close";
    if (isOver) kept = undefined;
    if (isOver || !isKept) connection.close();
    if (answer === undefined) return "closed without an answer";
    return answer.status === 200 ? "ok" : `${answer.status} ${answer.body}`;
  };
}

/** One subscription that resumes at once, over a new connection, whenever its stream ends. */
export class ResumingStream {
  /** The numbers of the events, and "resync". */
  readonly received: (number | "resync")[] = [];
  readonly ends: Record<string, number> = {};
  resumes = 0;
  /** Streams that started without all events since the last one. */
  partial = 0;
  #isDone = false;
  #current: EventSubscriber | undefined;
  readonly #running: Promise<void>;

  constructor(open: () => Transport, device: Device) {
    this.#running = this.#run(open, device);
  }

  /** The number of the newest event. */
  get last(): number | "resync" | undefined {
    const current = this.#current === undefined ? undefined : receivedSequence(this.#current).at(-1);
    return current ?? this.received.at(-1);
  }

  async stop(): Promise<void> {
    this.#isDone = true;
    await this.#running;
  }

  async #run(open: () => Transport, device: Device): Promise<void> {
    let lastId = "";
    while (!this.#isDone) {
      const payload = lastId === "" ? "" : JSON.stringify({ resume_after: lastId });
      const stream = await EventSubscriber.open(open(), device, payload);
      this.#current = stream;
      if (stream.events.length > 0 && lastId !== "") {
        if (Object(stream.payloads("gateway.server_time")[0]).resumed === true) this.resumes++;
        else this.partial++;
      }
      await until(() => this.#isDone || stream.ended !== undefined, "the stream to end", STREAM_MS_MAX);
      lastId = stream.lastId || lastId;
      this.received.push(...receivedSequence(stream));
      this.#current = undefined;
      if (stream.ended === undefined) stream.leave();
      else this.ends[stream.ended] = (this.ends[stream.ended] ?? 0) + 1;
      if (stream.events.length === 0) await Bun.sleep(RETRY_MS);
    }
  }
}
