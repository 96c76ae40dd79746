import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Push, type PushEvent, PushEventSchema, type SubscribePushRequest } from "../../../../src/gen/sallyport/v1/push_pb.ts";

type EventInit = MessageInitShape<typeof PushEventSchema>;
/** Makes an event for its cursor. */
type EventMaker = (cursor: string) => PushEvent;

/** A Push service over HTTP/2 whose connections a test can cut. Its log survives `kill` and `start`. */
export class PushServer {
  /** All events. The cursor of an event is its position, counted from 1. */
  readonly log: (EventInit | EventMaker)[] = [];
  readonly subscriptions: SubscribePushRequest[] = [];
  readonly authorizations: (string | null)[] = [];
  /** Cursors below this fail with OUT_OF_RANGE. */
  prunedTo = 0;
  sendsCursors = true;
  /** If set, each stream fails with this after it has sent the log. */
  failWith: ConnectError | undefined;
  /** If set, streams answer only after this resolves. */
  gate: Promise<void> | undefined;
  /** Interval of keepalives after the first. */
  keepaliveMs = Number.POSITIVE_INFINITY;
  host = "127.0.0.1";
  port = 0;
  readonly #connections = new Set<ServerHttp2Session>();
  readonly #wakers = new Set<() => void>();
  #server: Http2Server | undefined;

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  async start(): Promise<this> {
    const adapter = connectNodeAdapter({
      routes: (router) => router.service(Push, { subscribePush: (request, context) => this.#subscribe(request, context) }),
    });
    const server = createServer(adapter);
    server.on("session", (connection) => {
      this.#connections.add(connection);
      connection.on("error", () => {});
      connection.on("close", () => this.#connections.delete(connection));
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject);
      server.listen(this.port, this.host, resolve);
    });
    const address = server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
    return this;
  }

  get connections(): number {
    return this.#connections.size;
  }

  push(event: EventInit | EventMaker): void {
    this.log.push(event);
    this.#wake();
  }

  /** Pushes an event for user u1 with this number as its id. */
  pushNumber(number: number): void {
    this.push(clientEvent({ userId: "u1", eventId: String(number) }));
  }

  /** Destroys every connection. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  /** Destroys every connection and stops listening. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    this.cut();
    this.#wake();
    await closed;
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }

  async *#subscribe(request: SubscribePushRequest, context: HandlerContext): AsyncGenerator<EventInit> {
    this.subscriptions.push(request);
    this.authorizations.push(context.requestHeader.get("authorization"));
    await this.gate;
    let at = request.cursor === "" ? this.log.length : Number(request.cursor);
    if (at < this.prunedTo || at > this.log.length) throw new ConnectError("too old", Code.OutOfRange);
    yield { cursor: this.#cursor(at) };
    while (!context.signal.aborted) {
      // An event may override its cursor.
      for (; at < this.log.length; at++) {
        const event = this.log[at];
        const cursor = this.#cursor(at + 1);
        yield typeof event === "function" ? event(cursor) : { cursor, ...event };
      }
      if (this.failWith !== undefined) throw this.failWith;
      const isQuiet = await this.#quietUntilWoken(context.signal);
      if (isQuiet) yield { cursor: this.#cursor(at) };
    }
  }

  /** Resolves to whether a keepalive is due. */
  #quietUntilWoken(signal: AbortSignal): Promise<boolean> {
    return new Promise<boolean>((resolve) => {
      this.#wakers.add(() => resolve(false));
      signal.addEventListener("abort", () => resolve(false));
      if (Number.isFinite(this.keepaliveMs)) setTimeout(() => resolve(true), this.keepaliveMs);
    });
  }

  #cursor(at: number): string {
    return this.sendsCursors ? String(at) : "";
  }
}

export function clientEvent(value: {
  userId?: string;
  deviceSessionId?: string;
  eventType?: string;
  eventId?: string;
  payloadBytes?: Uint8Array;
}): EventInit {
  return { kind: { case: "clientEvent", value: { eventType: "chat.message", ...value } } };
}

export function sessionInvalidation(value: { userId?: string; deviceSessionId?: string }): EventInit {
  return { kind: { case: "sessionInvalidation", value } };
}

/** An event with arbitrary bytes as field `number`, after its cursor. */
export function rawEvent(number: number, data: Uint8Array, wireType = WireType.LengthDelimited): EventMaker {
  return (cursor) => {
    const event = create(PushEventSchema, { cursor });
    event.$unknown = [{ no: number, wireType, data }];
    return event;
  };
}

/** An event with a length-delimited field `number` that contains `fields`. */
export function rawKind(
  number: number,
  ...fields: readonly (readonly [number: number, bytes: string | Uint8Array])[]
): EventMaker {
  const parts = fields.map(([each, bytes]) => delimited(each, bytes));
  const body = Buffer.concat(parts);
  return rawEvent(number, Buffer.concat([Buffer.from([body.byteLength]), body]));
}

/** A length-delimited field of fewer than 128 bytes. */
function delimited(number: number, bytes: string | Uint8Array): Buffer {
  const data = Buffer.from(bytes);
  return Buffer.concat([Buffer.from([(number << 3) | WireType.LengthDelimited, data.byteLength]), data]);
}
