/**
 * The clients of the slow-reader benchmark: a crowd that reads, and one slow reader. `POST /open` opens the crowd. `POST /reader`, `/stop`,
 * `/read` and `/leave` control the slow reader. `GET /arrivals?since=&count=` waits for the next event at the crowd.
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
/** The end of a chunked body (RFC 9112 7.1). The connection stays open. */
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** The slow reader, on its own connection. It keeps only the number of bytes and the end of its stream. */
class Reader {
  takenBytes = 0;
  readonly opened = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<string>();
  readonly #stream: Socket | ClientHttp2Stream;
  readonly #socket = connectTcp({ port, host: "127.0.0.1" });
  #connection: ClientHttp2Session | undefined;
  /** The last bytes of the stream, long enough for the reason of its end. */
  #tail = "";

  constructor() {
    this.#stream = this.#open();
    this.#stream.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#stream.on("trailers", (fields) => this.#take(Buffer.from(String(fields["grpc-status-details-bin"]), "base64")));
    this.#stream.on("close", () => this.ended.resolve(this.#tail));
    this.#stream.on("error", () => {});
  }

  /** Received bytes that are not read. */
  get waitingBytes(): number {
    return this.#stream.readableLength;
  }

  /** The local port of its connection. */
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
    this.#connection?.destroy();
    this.#stream.destroy();
  }

  #open(): Socket | ClientHttp2Stream {
    if (http === "1.1") {
      this.#socket.write(subscriptionOverHttp1(readerSession, contentType));
      return this.#socket;
    }
    this.#connection = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => this.#socket });
    const stream = this.#connection.request(subscriptionFields(contentType));
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

let reader: Reader | undefined;

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
      reader = new Reader();
      await reader.opened.promise;
      return Response.json({ port: reader.port });
    },
    "/stop": () => {
      reader?.stop();
      return new Response();
    },
    "/read": async () => {
      reader?.read();
      return new Response(await reader?.ended.promise);
    },
    "/leave": () => {
      reader?.leave();
      return new Response();
    },
    "/taken": () => Response.json(reader === undefined ? 0 : reader.takenBytes + reader.waitingBytes),
    "/arrivals": async (request) => {
      const { searchParams } = new URL(request.url);
      await crowd.arrived(Number(searchParams.get("count")));
      const sinceMs = Number(searchParams.get("since"));
      return Response.json(crowd.arrivals.splice(0).map((at) => at - sinceMs));
    },
  },
});
answerParent({ port: server.port ?? 0 });
