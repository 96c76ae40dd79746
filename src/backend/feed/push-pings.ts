/** One PING frame: `onAnswer` is called when its answer arrives. */
export type Ping = (onAnswer: () => void) => void;

export interface PingOptions {
  /** How long a connection may be quiet before it is pinged, and pinged again. */
  readonly intervalMs: number;
  /** The same for the first two pings after a sign of life. */
  readonly earlyIntervalMs: number;
  /** How long an answer may take; then the connection is dead. */
  readonly timeoutMs: number;
  readonly ping: Ping;
  readonly onDead: () => void;
}

/**
 * By default gRPC servers count pings that follow each other within 5 minutes, cut the connection at the third, and count from 0 again
 * when they send something (gRFC A8, "Server Enforcement"). So two pings may come early.
 */
const EARLY_PINGS = 2;

/** Asks a quiet connection for signs of life. */
export class PushPings {
  readonly #options: PingOptions;
  #timer: Timer | undefined;
  #sinceHeard = 0;

  constructor(options: PingOptions) {
    this.#options = options;
    this.received();
  }

  /** The server sent something. */
  received(): void {
    this.#sinceHeard = 0;
    this.#waitAndPing();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #waitAndPing(): void {
    const { intervalMs, earlyIntervalMs } = this.#options;
    this.#wait(this.#sinceHeard < EARLY_PINGS ? earlyIntervalMs : intervalMs, () => this.#ping());
  }

  #ping(): void {
    const { timeoutMs, ping, onDead } = this.#options;
    this.#sinceHeard++;
    this.#wait(timeoutMs, onDead);
    const deadline = this.#timer;
    ping(() => {
      // Something else was heard meanwhile, unless the deadline still runs.
      if (this.#timer === deadline) this.#waitAndPing();
    });
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
