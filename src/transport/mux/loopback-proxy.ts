import { connect, type Socket } from "node:net";
import { type Held, LiveSet } from "../../core/live-set.ts";
import type { Log } from "../../core/ports.ts";
import { type Link, pipeBytes } from "./pipes.ts";

/** Where listeners of ours that stand behind another one listen: this address and no other, and any free port. */
export const LOOPBACK = "127.0.0.1";

/** How often clients that take nothing are looked for; who takes nothing from one look to the next but one is cut. */
const STALL_INTERVAL_MS = 60_000;

/** The other end of a connection, as the runtime names it. */
export interface SocketEnd {
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/** Where the client of a pair is. Apart from the pair, so that `#byPort` holds no sockets (core/live-set.ts). */
interface Origin {
  readonly address: string;
}

interface Pair {
  readonly client: Socket;
  readonly inner: Socket;
  /** What waited for the client at the last look, where anything did. */
  stalledAt: string | undefined;
}

/**
 * Passes connections on to a listener of ours on loopback, both ways with backpressure, and tells that listener who is behind each of
 * them. Every connection has a port of its own at the relay's end, so that the port says which one it is. Nobody else can have that
 * port towards the same listener while the connection lives, and a connection that the relay has not made is not found.
 */
export class LoopbackProxy {
  readonly #port: number;
  readonly #log: Log;
  readonly #link: Link;
  readonly #pairs = new LiveSet<Pair>();
  /** By the local port of the inner connection. */
  readonly #byPort = new Map<number, Origin>();
  readonly #timer: ReturnType<typeof setInterval>;
  #onIdle: (() => void)[] = [];

  constructor(port: number, log: Log, link: Link = pipeBytes, stallIntervalMs = STALL_INTERVAL_MS) {
    this.#port = port;
    this.#log = log;
    this.#link = link;
    this.#timer = setInterval(() => this.#cutStalled(), stallIntervalMs).unref();
  }

  /** Connections under way. */
  get size(): number {
    return this.#pairs.size;
  }

  /** Who is behind a connection to the listener; `undefined` where the relay has not made it. */
  addressOf(end: SocketEnd): string | undefined {
    // From another loopback address the same port may be had by anybody.
    if (end.address !== LOOPBACK || end.port === undefined) return undefined;
    return this.#byPort.get(end.port)?.address;
  }

  /** Passes a paused connection on, from what it has said so far. From here on the two sockets live and die together. */
  open(client: Socket, first: Buffer, address: string): void {
    const inner = connect({ host: LOOPBACK, port: this.#port, noDelay: true });
    const held = this.#pairs.add({ client, inner, stalledAt: undefined });
    let isConnected = false;
    inner.once("connect", () => {
      isConnected = true;
      this.#register(inner, { address });
      this.#link(client, inner, first);
    });
    inner.on("error", (error) => {
      if (!isConnected) this.#log.error("front: relay", { cause: error.message });
      client.destroy();
    });
    // What the listener said last may still be on its way to the client when the listener has closed.
    inner.once("close", () => (inner.readableEnded ? client.end(() => client.destroy()) : client.destroy()));
    client.once("close", () => {
      inner.destroy();
      this.#forget(held);
    });
  }

  /** Resolves when no connection is left. */
  idle(): Promise<void> {
    return this.#pairs.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Cuts those on which nothing was passed on. A listener of Bun's forgets such connections when it stops, and leaves them open. */
  cutUnused(): void {
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
      // By now the port may be another connection's.
      if (this.#byPort.get(port) === origin) this.#byPort.delete(port);
    });
  }

  #forget(held: Held<Pair>): void {
    this.#pairs.remove(held);
    if (this.#pairs.size > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** The listener behind sees only that the relay takes its bytes, so that its own time limit does not find a client that does not. */
  #cutStalled(): void {
    for (const pair of this.#pairs) {
      const { writableLength, bytesWritten } = pair.client;
      const waiting = writableLength === 0 ? undefined : `${writableLength} of ${bytesWritten}`;
      if (waiting !== undefined && waiting === pair.stalledAt) pair.client.destroy();
      else pair.stalledAt = waiting;
    }
  }
}
