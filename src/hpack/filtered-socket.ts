import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type Role, TABLE_OCTETS, TableSizeFilter } from "./table-size-filter.ts";

/** What the socket brings, in that order. */
type Arrival = Buffer | "end" | "close";

type Done = (error?: Error | null) => void;

/** A socket for `node:http2` whose peer may have a small dynamic table (`TableSizeFilter`). The two live and die together. */
export class FilteredSocket extends Duplex {
  readonly #socket: Socket;
  readonly #filter: TableSizeFilter;
  readonly #arrived: Arrival[] = [];
  #written: Done | undefined;
  #connecting: boolean;

  constructor(socket: Socket, role: Role) {
    super();
    this.#socket = socket;
    this.#filter = new TableSizeFilter(role);
    this.#connecting = role === "client";
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#arrive("end"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.#arrive("close"));
    socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => this.#connected());
  }

  /** TLS is part of it. */
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

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    try {
      const bytes = this.#filter.send(chunk);
      if (bytes.byteLength === 0 || this.#socket.write(bytes)) done();
      else this.#written = done;
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  override _final(done: Done): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
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
    for (const part of this.#filter.receive(chunk)) this.#arrive(part);
  }

  #arrive(part: Arrival): void {
    this.#arrived.push(part);
    if (this.#arrived.length === 1) this.#deliver();
  }

  /** The first of what has arrived; the next, in the next turn. */
  #deliver(): void {
    const [part] = this.#arrived;
    if (part === "close") this.destroy();
    else if (part === "end") this.push(null);
    else if (part !== undefined && !this.push(part)) this.#socket.pause();
    setImmediate(() => {
      this.#arrived.shift();
      if (this.#arrived.length > 0) this.#deliver();
    });
  }

  #drained(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }
}

/**
 * Ends a connection without a filter when its client shrinks its table after all: what the encoder has in its own by then is not known.
 * The client opens another connection. None is known that shrinks it later than in its first SETTINGS frame.
 */
export function endOnSmallTable(session: ServerHttp2Session): void {
  session.on("remoteSettings", ({ headerTableSize = TABLE_OCTETS }) => {
    const isSmall = headerTableSize < TABLE_OCTETS && !(session.socket instanceof FilteredSocket);
    if (!isSmall) return;
    session.goaway(constants.NGHTTP2_COMPRESSION_ERROR);
    session.destroy();
  });
}
