/** Sends one PING frame. Calls `onAnswer` when its answer arrives. */
export type Ping = (onAnswer: () => void) => void;

export interface PingOptions {
  /** Idle time before each ping. */
  readonly intervalMs: number;
  /** Idle time before each of the first two pings after data was received. */
  readonly earlyIntervalMs: number;
  /** An unanswered ping older than this means that the connection is dead. */
  readonly timeoutMs: number;
  readonly ping: Ping;
  readonly onDead: () => void;
}

/**
 * gRFC A8, "Server Enforcement": a gRPC server counts pings that are less than 5 minutes apart (its default) and closes the connection at
 * the third. The count restarts when the server sends data. So two pings may be early.
 */
const EARLY_PINGS = 2;

/** Pings an idle connection, to detect that it is dead. */
export class PushPings {
  readonly #options: PingOptions;
  #timer: Timer | undefined;
  #pingsSinceData = 0;

  constructor(options: PingOptions) {
    this.#options = options;
    this.received();
  }

  /** Call when data arrives. */
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
      // Unless data arrived in the meantime, the deadline is still the current timer.
      if (this.#timer === deadline) this.#waitAndPing();
    });
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
