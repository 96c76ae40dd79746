/**
 * The clients of the slow-reader benchmark: many that read, and one of which it is asked whether it does. `POST /open` opens the many;
 * `POST /reader`, `/stop`, `/read` and `/leave` are about the one; `GET /arrivals?since=&count=` waits for the next
 * event at the many.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { answerParent, parameters } from "../child.ts";
import { subscription, subscriptionFields, subscriptionOverHttp1 } from "./raw-subscription.ts";

interface Parameters {
  readonly port: number;
  /** That read. */
  readonly streams: number;
  readonly http: "1.1" | "2";
  readonly contentType: string;
  /** Over HTTP/2. */
  readonly streamsPerConnection: number;
  /** Near the end of every event once, and nowhere else. */
  readonly mark: string;
  readonly readerSession: string;
}

const { port, streams, http, contentType, streamsPerConnection, mark, readerSession } = parameters<Parameters>();
/** RFC 9112 7.1: how a body ends, and the connection does not. */
const LAST_CHUNK = "\r\n0\r\n\r\n";
/** Streams that are being opened at a time. */
const OPENING_MAX = 64;
const arrivals: number[] = [];
const sessions: ClientHttp2Session[] = [];

const now = () => performance.timeOrigin + performance.now();

/** Finds the marks in what a stream brings, also where one lies across two chunks. */
function watch(opened: () => void): (chunk: Buffer) => void {
  let isOpen = false;
  let tail: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const seam = Buffer.concat([tail, chunk.subarray(0, mark.length - 1)]);
    if (seam.includes(mark)) arrivals.push(now());
    for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length)) arrivals.push(now());
    tail = Buffer.from(chunk.length < mark.length ? seam : chunk).subarray(1 - mark.length);
    if (!isOpen) opened();
    isOpen = true;
  };
}

async function openOverHttp1(n: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const take = watch(resolve);
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(subscriptionOverHttp1(`bench-session-${n}`, contentType)),
      data: (_, chunk) => take(chunk),
      close: () => reject(new Error("the server closed the connection")),
      error: (_, error) => reject(error),
    },
  });
  return promise;
}

async function openOverHttp2(n: number): Promise<void> {
  const at = Math.floor(n / streamsPerConnection);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  sessions[at] ??= connectHttp2(`http://127.0.0.1:${port}`);
  const stream = sessions[at].request(subscriptionFields(contentType));
  stream.on("data", watch(resolve));
  stream.on("error", reject);
  stream.on("close", () => reject(new Error("the server closed the stream")));
  stream.end(subscription(`bench-session-${n}`));
  return promise;
}

async function openAll(): Promise<void> {
  const open = http === "1.1" ? openOverHttp1 : openOverHttp2;
  const left = Array.from({ length: streams }, (_, n) => n).values();
  const worker = async () => {
    for (const n of left) await open(n);
  };
  await Promise.all(Array.from({ length: OPENING_MAX }, worker));
}

/** The one, on a connection of its own. What it reads it forgets, but for how much it was and how it ended. */
class Reader {
  takenBytes = 0;
  readonly opened = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<string>();
  readonly #stream: Socket | ClientHttp2Stream;
  readonly #socket = connectTcp({ port, host: "127.0.0.1" });
  #session: ClientHttp2Session | undefined;
  /** Long enough for the end of a stream, which names its reason. */
  #tail = "";

  constructor() {
    this.#stream = this.#open();
    this.#stream.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#stream.on("trailers", (fields) => this.#take(Buffer.from(String(fields["grpc-status-details-bin"]), "base64")));
    this.#stream.on("close", () => this.ended.resolve(this.#tail));
    this.#stream.on("error", () => {});
  }

  /** What has come in and nobody has read. */
  get waitingBytes(): number {
    return this.#stream.readableLength;
  }

  /** The port of its own connection. */
  get port(): number {
    return this.#socket.localPort ?? 0;
  }

  stop(): void {
    this.#socket.pause();
    this.#stream.pause();
  }

  read(): void {
    this.#socket.resume();
    this.#stream.resume();
  }

  leave(): void {
    this.#session?.destroy();
    this.#stream.destroy();
  }

  #open(): Socket | ClientHttp2Stream {
    if (http === "1.1") {
      this.#socket.write(subscriptionOverHttp1(readerSession, contentType));
      return this.#socket;
    }
    this.#session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => this.#socket });
    const stream = this.#session.request(subscriptionFields(contentType));
    stream.end(subscription(readerSession));
    return stream;
  }

  #take(chunk: Buffer): void {
    this.takenBytes += chunk.byteLength;
    this.#tail = (this.#tail + chunk.subarray(-2000).toString("latin1")).slice(-2000);
    this.opened.resolve();
    if (http === "1.1" && this.#tail.endsWith(LAST_CHUNK)) this.ended.resolve(this.#tail);
  }
}

let one: Reader | undefined;

/** Resolves when so many events have come in that nobody has been told of. */
async function arrived(count: number): Promise<void> {
  while (arrivals.length < count) await Bun.sleep(1);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  routes: {
    "/open": async () => {
      await openAll();
      return new Response();
    },
    "/reader": async () => {
      one = new Reader();
      await one.opened.promise;
      return Response.json({ port: one.port });
    },
    "/stop": () => {
      one?.stop();
      return new Response();
    },
    "/read": async () => {
      one?.read();
      return new Response(await one?.ended.promise);
    },
    "/leave": () => {
      one?.leave();
      return new Response();
    },
    "/taken": () => Response.json(one === undefined ? 0 : one.takenBytes + one.waitingBytes),
    "/arrivals": async (request) => {
      const { searchParams } = new URL(request.url);
      await arrived(Number(searchParams.get("count")));
      const sinceMs = Number(searchParams.get("since"));
      return Response.json(arrivals.splice(0).map((at) => at - sinceMs));
    },
  },
});
answerParent({ port: server.port ?? 0 });
