import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";
import type { ConnectionLimits } from "../limits/connection-limits.ts";

interface ConnectionState {
  readonly connection: Http2Session;
  /** Number of open streams. */
  streams: number;
  /** Number of streams opened on this connection so far. */
  requests: number;
  /** Time since the connection last had an open stream, in ms. Updated every `pingIntervalMs`. */
  idleMs: number;
  /** Whether the last PING is not answered yet. */
  isPingPending: boolean;
}

/**
 * The open connections of an HTTP/2 server. Every `pingIntervalMs`, the first of these rules that applies to a connection is used:
 *
 * - If the last PING is not answered, the connection and all its streams are destroyed.
 * - If the connection is closing, it is destroyed unless it has open streams.
 * - If the connection had no stream for `idleTimeoutMs`, a GOAWAY is sent, and the connection is then closing.
 * - In all other cases, a PING is sent.
 */
export class H2Connections {
  readonly #limits: ConnectionLimits;
  readonly #all = new LiveSet<ConnectionState>();
  readonly #states = new WeakMap<Http2Session, ConnectionState>();
  readonly #timer: ReturnType<typeof setInterval>;
  #isRetiring = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.#check(), limits.pingIntervalMs).unref();
  }

  add(connection: Http2Session): void {
    const state: ConnectionState = { connection, streams: 0, requests: 0, idleMs: 0, isPingPending: false };
    const held = this.#all.add(state);
    this.#states.set(connection, state);
    connection.once("close", () => this.#all.remove(held));
    connection.on("error", () => connection.destroy());
    if (this.#isRetiring) announceEnd(connection);
  }

  /**
   * Tells all clients to use another connection for further calls. Calls that are already on their way are still answered
   * (RFC 9113 6.8).
   */
  retire(): void {
    this.#isRetiring = true;
    for (const { connection } of this.#all) announceEnd(connection);
  }

  /** Must be called for each new stream. */
  streamOpened(stream: ServerHttp2Stream): void {
    const { session: connection } = stream;
    if (connection === undefined) return;
    const state = this.#states.get(connection);
    if (state === undefined) return;
    state.streams++;
    state.requests++;
    state.idleMs = 0;
    stream.once("close", () => {
      state.streams--;
      if (connection.closed) destroyIfIdle(connection, state);
    });
    // `close` sends GOAWAY. Open streams are still answered. For later requests, the client opens another connection.
    if (state.requests === this.#limits.requestsMax) connection.close();
  }

  /** Sends GOAWAY on all connections. Resolves when all open streams have ended. */
  async drain(): Promise<void> {
    const closed = [...this.#all].map((state) => {
      const { connection } = state;
      const { promise, resolve } = Promise.withResolvers<void>();
      connection.once("close", resolve);
      connection.close();
      destroyIfIdle(connection, state);
      return promise;
    });
    await Promise.all(closed);
  }

  /** Destroys all connections. */
  close(): void {
    clearInterval(this.#timer);
    for (const { connection } of this.#all) connection.destroy();
  }

  #check(): void {
    for (const state of this.#all) {
      const { connection } = state;
      state.idleMs = state.streams > 0 ? 0 : state.idleMs + this.#limits.pingIntervalMs;
      if (state.isPingPending) connection.destroy();
      else if (connection.closed) destroyIfIdle(connection, state);
      else if (state.idleMs >= this.#limits.idleTimeoutMs) connection.close();
      else ping(connection, state);
    }
  }
}

/** The highest stream id (RFC 9113 6.8). After a GOAWAY with this id, all open streams are still served. */
const LAST_STREAM_ID = 2 ** 31 - 1;

function announceEnd(connection: Http2Session): void {
  if (!connection.closed && !connection.destroyed) connection.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID);
}

/**
 * Destroys a connection after its GOAWAY, if the connection has no open streams.
 *
 * The runtime ignores streams that the client opens after the GOAWAY, but waits for their end. So without this function, the
 * client could keep the connection open.
 */
function destroyIfIdle(connection: Http2Session, state: ConnectionState): void {
  if (state.streams === 0) setImmediate(() => connection.destroy());
}

function ping(connection: Http2Session, state: ConnectionState): void {
  state.isPingPending = true;
  connection.ping((error) => {
    state.isPingPending = error !== null;
  });
}
