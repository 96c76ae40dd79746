import type { Http2Session, ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";
import type { ConnectionLimits } from "../limits/connection-limits.ts";

interface State {
  readonly session: Http2Session;
  /** Streams that are open. */
  streams: number;
  /** Streams that there have been. */
  requests: number;
  /** The session has had no stream for so long. */
  idleMs: number;
  /** Its client has been asked whether it is there, and has not answered. */
  isAsked: boolean;
}

/**
 * The open connections of an HTTP/2 server. At every look, a client that has not answered the PING of the last one is dead and is cut,
 * whatever streams it has open; and a connection that has long been without one is told to go away.
 */
export class H2Connections {
  readonly #limits: ConnectionLimits;
  readonly #all = new LiveSet<State>();
  readonly #states = new WeakMap<Http2Session, State>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.#look(), limits.pingIntervalMs).unref();
  }

  get size(): number {
    return this.#all.size;
  }

  add(session: Http2Session): void {
    const state: State = { session, streams: 0, requests: 0, idleMs: 0, isAsked: false };
    const held = this.#all.add(state);
    this.#states.set(session, state);
    session.once("close", () => this.#all.remove(held));
    session.on("error", () => session.destroy());
  }

  /** A stream has begun on one of the connections. */
  opened(stream: ServerHttp2Stream): void {
    const { session } = stream;
    if (session === undefined) return;
    const state = this.#states.get(session);
    if (state === undefined) return;
    state.streams++;
    state.requests++;
    state.idleMs = 0;
    stream.once("close", () => {
      state.streams--;
      if (session.closed) endUnused(session, state);
    });
    // The client opens another connection; what it has begun on this one is answered.
    if (state.requests === this.#limits.requestsMax) session.close();
  }

  /** Tells the connections to go away (GOAWAY), and waits for the streams that are still open. */
  async drain(): Promise<void> {
    const closed = [...this.#all].map((state) => {
      const { session } = state;
      const { promise, resolve } = Promise.withResolvers<void>();
      session.once("close", resolve);
      session.close();
      endUnused(session, state);
      return promise;
    });
    await Promise.all(closed);
  }

  /** Cuts whatever is still open. */
  close(): void {
    clearInterval(this.#timer);
    for (const { session } of this.#all) session.destroy();
  }

  #look(): void {
    for (const state of this.#all) {
      const { session } = state;
      state.idleMs = state.streams > 0 ? 0 : state.idleMs + this.#limits.pingIntervalMs;
      if (state.isAsked) session.destroy();
      else if (session.closed) endUnused(session, state);
      else if (state.idleMs >= this.#limits.idleTimeoutMs) session.close();
      else ask(session, state);
    }
  }
}

/** Streams that a client opens after GOAWAY are never served, but the runtime would wait for them. */
function endUnused(session: Http2Session, state: State): void {
  if (state.streams === 0) setImmediate(() => session.destroy());
}

function ask(session: Http2Session, state: State): void {
  state.isAsked = true;
  session.ping((error) => {
    state.isAsked = error !== null;
  });
}
