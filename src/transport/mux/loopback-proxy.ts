import { connect, type Socket } from "node:net";
import { type Held, LiveSet } from "../../core/live-set.ts";
import type { Log } from "../../core/telemetry.ts";
import type { SocketEnd } from "../peer/peer-address.ts";
import { type Pipe, pipeBytes } from "./pipes.ts";

/**
 * Address of the inner listeners: the listeners to which loopback proxies forward connections. An inner listener serves only
 * connections of its loopback proxy. The system chooses the port of an inner listener.
 */
export const LOOPBACK = "127.0.0.1";

/**
 * Interval of the stall check, in ms. If the same bytes are queued for a client at two consecutive checks, its connection is
 * closed.
 */
const STALL_INTERVAL_MS = 60_000;

/**
 * The address of a client. `LoopbackProxy` stores this object in a plain `Map`, which must not hold sockets (core/live-set.ts
 * gives the reason). So the object contains no sockets.
 */
interface Origin {
  readonly address: string;
}

/** A client connection, and the connection that forwards its bytes to the inner listener. */
interface Pair {
  readonly client: Socket;
  readonly inner: Socket;
  /** The text `<queued bytes> of <written bytes>` of `client` at the last stall check. `undefined` if no bytes were queued. */
  stalledAt: string | undefined;
}

/**
 * Forwards client connections to an inner listener on loopback. The inner listener gets the address of a client from
 * `addressOf`.
 *
 * - For each client connection, the proxy opens one connection to the inner listener. The local port of the new connection
 *   identifies the client.
 * - While the new connection is open, no other process can use the same local port for a connection to the inner listener.
 * - For a connection that the proxy did not open, `addressOf` returns `undefined`.
 */
export class LoopbackProxy {
  readonly #port: number;
  readonly #log: Log;
  readonly #pipe: Pipe;
  readonly #pairs = new LiveSet<Pair>();
  /** The addresses of the clients. The key is the local port of the connection that the proxy has opened for a client. */
  readonly #byPort = new Map<number, Origin>();
  readonly #timer: ReturnType<typeof setInterval>;
  #onIdle: (() => void)[] = [];

  constructor(port: number, log: Log, pipe: Pipe = pipeBytes, stallIntervalMs = STALL_INTERVAL_MS) {
    this.#port = port;
    this.#log = log;
    this.#pipe = pipe;
    this.#timer = setInterval(() => this.#closeStalled(), stallIntervalMs).unref();
  }

  /** Number of open client connections. */
  get size(): number {
    return this.#pairs.size;
  }

  /**
   * Returns the client's address for a connection to the inner listener. Returns `undefined` if the proxy did not open the
   * connection.
   */
  addressOf(end: SocketEnd): string | undefined {
    // Checks the address too, because another process may use the same port on another loopback address, such as 127.0.0.2.
    if (end.address !== LOOPBACK || end.port === undefined) return undefined;
    return this.#byPort.get(end.port)?.address;
  }

  /**
   * Forwards a client connection to the inner listener. If one of the two sockets closes, the other one closes too.
   *
   * `client` must be paused. `first` contains the bytes that were already read from `client`.
   */
  open(client: Socket, first: Buffer, address: string): void {
    const inner = connect({ host: LOOPBACK, port: this.#port, noDelay: true });
    const held = this.#pairs.add({ client, inner, stalledAt: undefined });
    let isConnected = false;
    inner.once("connect", () => {
      isConnected = true;
      this.#register(inner, { address });
      this.#pipe(client, inner, first);
    });
    inner.on("error", (error) => {
      if (!isConnected) this.#log.error("internal loopback connection failed", { cause: error.message });
      client.destroy();
    });
    // The inner listener may close the connection while the end of the response is still queued for the client. In this case,
    // the client is closed after it has received the response.
    inner.once("close", () => (inner.readableEnded ? client.end(() => client.destroy()) : client.destroy()));
    client.once("close", () => {
      inner.destroy();
      this.#forget(held);
    });
  }

  /** Resolves when no connection is open. */
  idle(): Promise<void> {
    return this.#pairs.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Closes connections on which no byte was forwarded to the inner listener. When Bun.serve stops, it leaves such connections
   * open.
   */
  closeUnused(): void {
    for (const { client, inner } of this.#pairs) if (inner.bytesWritten === 0) client.destroy();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { client } of this.#pairs) client.destroy();
  }

  #register(inner: Socket, origin: Origin): void {
    const port = inner.localPort;
    if (port === undefined) return;
    this.#byPort.set(port, origin);
    inner.once("close", () => {
      // Checks that the entry still belongs to this connection, because another connection may already use the same port.
      if (this.#byPort.get(port) === origin) this.#byPort.delete(port);
    });
  }

  #forget(held: Held<Pair>): void {
    this.#pairs.remove(held);
    if (this.#pairs.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /**
   * Closes connections whose client accepts no data. The timeout of the inner listener does not detect such clients, because
   * the proxy accepts all data for them.
   */
  #closeStalled(): void {
    for (const pair of this.#pairs) {
      const { writableLength, bytesWritten } = pair.client;
      const waiting = writableLength === 0 ? undefined : `${writableLength} of ${bytesWritten}`;
      if (waiting !== undefined && waiting === pair.stalledAt) pair.client.destroy();
      else pair.stalledAt = waiting;
    }
  }
}
