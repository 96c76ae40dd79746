/** Sends one HTTP/2 PING frame. Calls `onAnswer` when the answer to the PING arrives. */
export type Ping = (onAnswer: () => void) => void;

export interface PingOptions {
  /** Idle time before each ping, except the first two pings after data was received. */
  readonly intervalMs: number;
  /** Idle time before each of the first two pings after data was received. */
  readonly earlyIntervalMs: number;
  /** Maximum time until the answer to a ping arrives. After that, the connection counts as dead. */
  readonly timeoutMs: number;
  readonly ping: Ping;
  readonly onDead: () => void;
}

/**
 * Number of pings after received data that are sent early: after `earlyIntervalMs` instead of `intervalMs`.
 *
 * gRFC A8, "Server Enforcement": a gRPC server counts pings that are less than 5 minutes apart (its default). It closes the
 * connection at the third such ping. The count restarts when the server sends data, so two early pings are safe.
 */
const EARLY_PINGS = 2;

/** Sends pings on an idle connection, to detect whether the connection is dead. */
export class PushPings {
  readonly #options: PingOptions;
  #timer: Timer | undefined;
  #pingsSinceData = 0;

  constructor(options: PingOptions) {
    this.#options = options;
    this.received();
  }

  /** Call when data arrives from the backend. */
  received(): void {
    this.#pingsSinceData = 0;
    this.#waitAndPing();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #waitAndPing(): void {
    const { intervalMs, earlyIntervalMs } = this.#options;
    this.#wait(this.#pingsSinceData < EARLY_PINGS ? earlyIntervalMs : intervalMs, () => this.#ping());
  }

  #ping(): void {
    const { timeoutMs, ping, onDead } = this.#options;
    this.#pingsSinceData++;
    this.#wait(timeoutMs, onDead);
    const deadline = this.#timer;
    ping(() => {
      // If data arrived after the ping was sent, another timer has replaced the deadline.
      if (this.#timer === deadline) this.#waitAndPing();
    });
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
