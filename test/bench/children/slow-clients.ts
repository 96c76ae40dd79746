/**
 * The clients of the slow-reader benchmark: many that read, and one of which it is asked whether it does. `POST /open` opens the many;
 * `POST /reader`, `/stop`, `/read` and `/leave` are about the one; `GET /arrivals?since=&count=` waits for the next
 * event at the many.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { subscription, subscriptionFields, subscriptionOverHttp1 } from "../../support/load-device.ts";
import { answerParent, parameters } from "../child.ts";
import { Crowd, type CrowdParameters } from "./crowd.ts";

interface Parameters extends CrowdParameters {
  readonly readerSession: string;
}

const given = parameters<Parameters>();
const { port, http, contentType, readerSession } = given;
const crowd = new Crowd(given);
/** RFC 9112 7.1: how a body ends, and the connection does not. */
const LAST_CHUNK = "\r\n0\r\n\r\n";
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
  while (crowd.arrivals.length < count) await Bun.sleep(1);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  routes: {
    "/open": async () => {
      await crowd.open();
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
      return Response.json(crowd.arrivals.splice(0).map((at) => at - sinceMs));
    },
  },
});
answerParent({ port: server.port ?? 0 });
