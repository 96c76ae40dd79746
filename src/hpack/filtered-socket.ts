import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type Role, TABLE_OCTETS, TableSizeFilter } from "./table-size-filter.ts";

/** An event of the wrapped socket: received data, the end of the data, or the close. Events are delivered in order. */
type SocketEvent = Buffer | "end" | "close";

type Callback = (error?: Error | null) => void;

/**
 * A socket for `node:http2` that wraps another socket. All sent and received bytes pass through a `TableSizeFilter`. If one of
 * the two sockets closes, the other one closes too.
 */
export class FilteredSocket extends Duplex {
  readonly #socket: Socket;
  readonly #filter: TableSizeFilter;
  readonly #events: SocketEvent[] = [];
  #pendingWrite: Callback | undefined;
  #connecting: boolean;

  constructor(socket: Socket, role: Role) {
    super();
    this.#socket = socket;
    this.#filter = new TableSizeFilter(role);
    this.#connecting = role === "client";
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#enqueue("end"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.#enqueue("close"));
    socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => this.#connected());
  }

  /** Client: true until the connection is open and, with TLS, the handshake is complete. Server: always false. */
  get connecting(): boolean {
    return this.#connecting;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: Callback): void {
    try {
      const bytes = this.#filter.send(chunk);
      if (bytes.byteLength === 0 || this.#socket.write(bytes)) done();
      else this.#pendingWrite = done;
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  override _final(done: Callback): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Callback): void {
    this.#socket.destroy();
    done(error);
  }

  #connected(): void {
    const { alpnProtocol } = this.#socket instanceof TLSSocket ? this.#socket : { alpnProtocol: "h2" };
    if (alpnProtocol !== "h2") return void this.destroy(new Error("the peer does not speak HTTP/2 over TLS"));
    this.#connecting = false;
    this.emit("connect");
  }

  #receive(chunk: Buffer): void {
    for (const event of this.#filter.receive(chunk)) this.#enqueue(event);
  }

  #enqueue(event: SocketEvent): void {
    this.#events.push(event);
    if (this.#events.length === 1) this.#deliver();
  }

  /** Delivers one event per turn of the event loop. For the reason, see `TableSizeFilter.receive`. */
  #deliver(): void {
    const [event] = this.#events;
    if (event === "close") this.destroy();
    else if (event === "end") this.push(null);
    else if (event !== undefined && !this.push(event)) this.#socket.pause();
    setImmediate(() => {
      this.#events.shift();
      if (this.#events.length > 0) this.#deliver();
    });
  }

  #drained(): void {
    const written = this.#pendingWrite;
    this.#pendingWrite = undefined;
    written?.();
  }
}

/**
 * Used for a connection without a `FilteredSocket`. Closes it when the client sets a header table size below `TABLE_OCTETS`.
 * A `FilteredSocket` cannot be added at that time, because the content of the encoder's table is unknown.
 *
 * The client must connect again. This is rare: known clients set such a size only in their first SETTINGS frame. Their
 * connection then has a `FilteredSocket` from the start.
 */
export function endOnSmallTable(session: ServerHttp2Session): void {
  session.on("remoteSettings", ({ headerTableSize = TABLE_OCTETS }) => {
    const isSmall = headerTableSize < TABLE_OCTETS && !(session.socket instanceof FilteredSocket);
    if (!isSmall) return;
    session.goaway(constants.NGHTTP2_COMPRESSION_ERROR);
    session.destroy();
  });
}
