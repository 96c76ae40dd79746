import { Backoff } from "../../core/backoff.ts";
import { messageOf } from "../../core/cause.ts";
import type { Log } from "../../core/telemetry.ts";
import { type ConnectionOptions, RedisConnection } from "./connection.ts";
import { type RedisCall, RedisUnavailable } from "./redis-call.ts";

export interface LinkOptions extends ConnectionOptions {
  /**
   * Runs on each new connection before any other command uses the connection. If `prepare` rejects, the connection is closed.
   */
  readonly prepare: (call: RedisCall) => Promise<void>;
  readonly log: Log;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
}

/** Upper limit of the first reconnect delay, in ms. It is short, so that a short restart of Redis causes a short outage. */
const RETRY_MIN_MS = 50;
/**
 * Upper limit of every reconnect delay, in ms. Delays limit the load on a server that is starting. DNS answers are cached for
 * up to one second. So if Redis moves to another address, the gateway reconnects within two seconds.
 */
const RETRY_MAX_MS = 900;

/**
 * A connection to Redis that is reopened after a loss. While it is down, commands fail immediately. Reconnects use exponential
 * back-off with full jitter. Their number is unlimited.
 *
 * RedisClient's own reconnect is disabled, because it would send commands before `prepare` has checked the server. After a
 * failover, the new connection may lead to another server. After a restart, the server may have lost its data.
 */
export class RedisLink {
  readonly #options: LinkOptions;
  #connection: RedisConnection | undefined;
  #downReason = "not connected";
  readonly #backoff: Backoff;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS, random: options.random });
  }

  /** Opens the first connection. If this fails, rejects with the reason and does not retry. */
  async open(): Promise<void> {
    await this.#connect();
  }

  /** The reason why the link is down; `undefined` while the link is up. */
  get downReason(): string | undefined {
    return this.#connection === undefined ? this.#downReason : undefined;
  }

  readonly call: RedisCall = (command, args) =>
    this.#connection?.call(command, args) ?? Promise.reject(new RedisUnavailable(this.#downReason));

  /** Closes the connection and opens a new one. `prepare` runs again. */
  reset(reason: string): void {
    this.#connection?.lose(reason);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.lose("the gateway is stopping");
  }

  async #connect(): Promise<void> {
    const connection = await RedisConnection.open(this.#options, (reason) => this.#onLost(connection, reason));
    try {
      await this.#options.prepare(connection.call);
    } catch (error) {
      connection.lose("the server was rejected");
      throw error;
    }
    if (this.#closed) connection.lose("the gateway is stopping");
    if (connection.lost !== undefined) throw new RedisUnavailable(connection.lost);
    this.#connection = connection;
    this.#backoff.reset();
  }

  #onLost(connection: RedisConnection, reason: string): void {
    // The loss of a connection during `prepare` is ignored here, because `#connect` throws the reason of the loss.
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#downReason = reason;
    if (this.#closed) return;
    this.#options.log.warn("redis connection lost", { reason });
    this.#retryLater();
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.#reconnect(), this.#backoff.nextMs());
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#downReason) this.#options.log.warn("redis reconnect failed", { reason });
      this.#downReason = reason;
      if (!this.#closed) this.#retryLater();
    }
  }
}
