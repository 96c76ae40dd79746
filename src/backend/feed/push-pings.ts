/** Sends one HTTP/2 PING frame. Calls `onAnswer` when the answer to the PING arrives. */
export type Ping = (onAnswer: () => void) => void;

export interface PingOptions {
  /** Time without data before a ping is sent. The first two pings after data was received use `earlyIntervalMs` instead. */
  readonly intervalMs: number;
  /** Time without data before a ping is sent, for the first two pings after data was received. */
  readonly earlyIntervalMs: number;
  /** Maximum time between a ping and its answer. If no answer arrives in this time, the connection counts as dead. */
  readonly timeoutMs: number;
  readonly ping: Ping;
  readonly onDead: () => void;
}

/**
 * Number of early pings. After data arrives, this many pings use `earlyIntervalMs`. All later pings use `intervalMs`.
 *
 * Two early pings are safe. By default, a gRPC server closes the connection at the third ping that arrives too early (gRFC A8,
 * "Server Enforcement"):
 *
 * - A ping is too early if the previous ping was less than 5 minutes ago.
 * - When the server sends data, it sets its count of such pings to zero.
 */
const EARLY_PINGS = 2;

/** Sends pings on a connection while no data arrives, to detect whether the connection is dead. */
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
      // If data arrived after the ping was sent, `received` has already started the timer for the next ping.
      if (this.#timer === deadline) this.#waitAndPing();
    });
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
