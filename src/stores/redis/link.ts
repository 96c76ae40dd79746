import { messageOf } from "../../core/cause.ts";
import type { Log } from "../../core/ports.ts";
import { type ConnectionOptions, type RedisCall, RedisConnection } from "./connection.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface LinkOptions extends ConnectionOptions {
  /** Gets to know the server behind a new connection, before anything else is asked of it. Throws where it will not do. */
  readonly greet: (call: RedisCall) => Promise<void>;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Delays before the next attempt to connect: the first ones let a restart pass unnoticed, the last spare a server that starts. With the
 * second for which an address is kept (http/name-cache.ts), a Redis that moved is found within two.
 */
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 900;

/**
 * A connection to Redis that comes back. While it is away, commands fail at once; attempts to reconnect go on for ever, with
 * exponential back-off and full jitter.
 *
 * Why not the client's own reconnecting? It would send commands to a server that nobody has looked at: another one after a
 * failover, the same one without its memory after a restart.
 */
export class RedisLink {
  readonly #options: LinkOptions;
  #connection: RedisConnection | undefined;
  #away = "not connected";
  #attempts = 0;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The first connection. Throws what stands against it, and does not try again. */
  async open(): Promise<void> {
    await this.#connect();
  }

  /** What stands between the gateway and its Redis; `undefined` while nothing does. */
  get away(): string | undefined {
    return this.#connection === undefined ? this.#away : undefined;
  }

  readonly call: RedisCall = (command, args) =>
    this.#connection?.call(command, args) ?? Promise.reject(new RedisUnavailable(this.#away));

  /** Begins anew, greeting and all. */
  reset(reason: string): void {
    this.#connection?.lose(reason);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.lose("the gateway stops");
  }

  async #connect(): Promise<void> {
    const connection = await RedisConnection.open(this.#options, (reason) => this.#onLost(connection, reason));
    try {
      await this.#options.greet(connection.call);
    } catch (error) {
      connection.lose("the server will not do");
      throw error;
    }
    if (this.#closed) connection.lose("the gateway stops");
    if (connection.lost !== undefined) throw new RedisUnavailable(connection.lost);
    this.#connection = connection;
    this.#attempts = 0;
  }

  #onLost(connection: RedisConnection, reason: string): void {
    // Lost while it was greeted: whoever greets it learns of that.
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#away = reason;
    if (this.#closed) return;
    this.#options.log.warn("redis: connection lost", { reason });
    this.#retryLater();
  }

  #retryLater(): void {
    const ceilingMs = Math.min(RETRY_MIN_MS * 2 ** this.#attempts, RETRY_MAX_MS);
    this.#retry = setTimeout(() => void this.#reconnect(), this.#options.random() * ceilingMs);
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#away) this.#options.log.warn("redis: cannot reconnect", { reason });
      this.#away = reason;
      this.#attempts++;
      if (!this.#closed) this.#retryLater();
    }
  }
}
