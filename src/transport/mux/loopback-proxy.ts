import { connect, type Socket } from "node:net";
import { type Held, LiveSet } from "../../core/live-set.ts";
import type { Log } from "../../core/telemetry.ts";
import { type Pipe, pipeBytes } from "./pipes.ts";

/** Inner listeners, which receive connections of the loopback proxy only, listen on this address and a free port. */
export const LOOPBACK = "127.0.0.1";

/** Interval of the stall check. A client for which the same bytes are queued at two checks is closed. */
const STALL_INTERVAL_MS = 60_000;

/** The remote end of a connection, as the runtime reports it. */
export interface SocketEnd {
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/** The client's address. Separate from the pair, so that `#byPort` holds no sockets (core/live-set.ts). */
interface Origin {
  readonly address: string;
}

interface Pair {
  readonly client: Socket;
  readonly inner: Socket;
  /** Describes the client's queue at the last check. `undefined` if it was empty. */
  stalledAt: string | undefined;
}

/**
 * Forwards connections to an inner listener on loopback, and keeps the address of each client for that listener. The local port of the
 * inner connection identifies the client. No other process can use that port towards the same listener while the connection is open. A
 * connection that the proxy did not make is not found.
 */
export class LoopbackProxy {
  readonly #port: number;
  readonly #log: Log;
  readonly #pipe: Pipe;
  readonly #pairs = new LiveSet<Pair>();
  /** By the local port of the inner connection. */
  readonly #byPort = new Map<number, Origin>();
  readonly #timer: ReturnType<typeof setInterval>;
  #onIdle: (() => void)[] = [];

  constructor(port: number, log: Log, pipe: Pipe = pipeBytes, stallIntervalMs = STALL_INTERVAL_MS) {
    this.#port = port;
    this.#log = log;
    this.#pipe = pipe;
    this.#timer = setInterval(() => this.#closeStalled(), stallIntervalMs).unref();
  }

  /** Open connections. */
  get size(): number {
    return this.#pairs.size;
  }

  /** The client's address of a connection to the inner listener. `undefined` if the proxy did not make that connection. */
  addressOf(end: SocketEnd): string | undefined {
    // On another loopback address, any process may use the same port.
    if (end.address !== LOOPBACK || end.port === undefined) return undefined;
    return this.#byPort.get(end.port)?.address;
  }

  /** Forwards a paused connection, of which `first` has been read. From now on, each of the two sockets closes with the other. */
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
      if (!isConnected) this.#log.error("loopback connection failed", { cause: error.message });
      client.destroy();
    });
    // The end of the response may still be queued for the client when the inner listener closes.
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

  /** Closes connections on which nothing was forwarded. A stopping Bun.serve leaves such connections open. */
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
      // Another connection may use the port by now.
      if (this.#byPort.get(port) === origin) this.#byPort.delete(port);
    });
  }

  #forget(held: Held<Pair>): void {
    this.#pairs.remove(held);
    if (this.#pairs.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** The inner listener's own timeout does not find a stalled client, since the proxy still accepts bytes. */
  #closeStalled(): void {
    for (const pair of this.#pairs) {
      const { writableLength, bytesWritten } = pair.client;
      const waiting = writableLength === 0 ? undefined : `${writableLength} of ${bytesWritten}`;
      if (waiting !== undefined && waiting === pair.stalledAt) pair.client.destroy();
      else pair.stalledAt = waiting;
    }
  }
}
