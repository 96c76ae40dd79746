import { RedisClient } from "bun";
import { messageOf } from "../../core/cause.ts";
import { explainFailure } from "./probe.ts";
import { type RedisCall, RedisUnavailable, usesTls } from "./redis-call.ts";
import { type RedisTls, type RedisTlsFiles, readRedisTls } from "./redis-tls.ts";

export interface ConnectionOptions {
  readonly url: string;
  /** Timeout of one command, in ms. */
  readonly timeoutMs: number;
  /** The setting that chooses the keys. Error messages about a key contain its name. */
  readonly keySetting: string;
  /** The TLS files. They are read again for each connection to a `rediss:` URL. */
  readonly tlsFiles?: RedisTlsFiles | undefined;
  /** Called with the server's error code if the server refuses a command, and with `timeout` if a command times out. */
  readonly onError?: ((code: string) => void) | undefined;
}

/** Timeout of opening a connection (TCP, TLS and login), in ms. It is long, because the server may be in another region. */
const CONNECT_TIMEOUT_MS = 3000;
/** Timeout of the probe, in ms. The probe is a second connection, which finds out why the first connection failed. */
const PROBE_TIMEOUT_MS = 1500;
/**
 * Maximum number of commands in flight. Each command takes a few hundred bytes of memory. With more commands, the replies would
 * arrive after the timeout.
 */
const CALLS_MAX = 16_384;
/** The error replies after which the gateway closes the connection: the server became a replica, or its password changed. */
const WRONG_SERVER = /^(READONLY|NOAUTH|WRONGPASS)\b/;
/** Replaces the WRONGTYPE message of Redis, which names a script instead of the key. */
const WRONG_TYPE =
  "WRONGTYPE: another program has written a key of the gateway as another type; delete the key, or set another";
/**
 * The error codes that `onError` gets unchanged (Redis protocol, "Simple errors"). All other codes become `other`, so that the
 * metric of Redis errors has few label values.
 */
const ERROR_CODE =
  /^(BUSY|ERR|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|NOSCRIPT|OOM|READONLY|TRYAGAIN|WRONGPASS|WRONGTYPE)\b/;

/**
 * One connection to Redis. It never reconnects and never repeats a command. If the connection is lost, `onLost` is called once
 * and every command in flight fails.
 *
 * A command fails if its reply does not arrive within `timeoutMs`. If no other command gets a reply in this time either, the
 * connection counts as lost and is closed.
 */
export class RedisConnection {
  readonly #client: RedisClient;
  readonly #timeoutMs: number;
  readonly #keySetting: string;
  readonly #onLost: (reason: string) => void;
  readonly #onError: (code: string) => void;
  #inFlight = 0;
  #replies = 0;
  #lost: string | undefined;

  private constructor(client: RedisClient, options: ConnectionOptions, onLost: (reason: string) => void) {
    this.#client = client;
    this.#timeoutMs = options.timeoutMs;
    this.#keySetting = options.keySetting;
    this.#onError = options.onError ?? (() => {});
    this.#onLost = onLost;
    client.onclose = () => this.lose("the server closed the connection");
  }

  /** Opens a connection. Rejects with a `RedisUnavailable` whose message explains the failure. */
  static async open(options: ConnectionOptions, onLost: (reason: string) => void): Promise<RedisConnection> {
    const { url, tlsFiles } = options;
    const tls = usesTls(url) && tlsFiles !== undefined ? readRedisTls(tlsFiles) : undefined;
    const client = new RedisClient(url, {
      ...(usesTls(url) && { tls: { ...definedParts(tls), rejectUnauthorized: true } }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      idleTimeout: 0,
      autoReconnect: false,
      maxRetries: 0,
      // A command that cannot be sent at once fails. If it were queued, it could be sent after its request has timed out.
      enableOfflineQueue: false,
      enableAutoPipelining: true,
    });
    try {
      await client.connect();
    } catch {
      // RedisClient reports a closed port, a wrong password and a TLS mismatch with the same error. So a probe finds the
      // reason.
      throw new RedisUnavailable(await explainFailure({ url, tls, tlsFiles, timeoutMs: PROBE_TIMEOUT_MS }));
    }
    return new RedisConnection(client, options, onLost);
  }

  /** The reason why the connection was lost; `undefined` while the connection is open. */
  get lost(): string | undefined {
    return this.#lost;
  }

  readonly call: RedisCall = (command, args) => {
    if (this.#lost !== undefined) return Promise.reject(new RedisUnavailable(this.#lost));
    if (this.#inFlight >= CALLS_MAX) return Promise.reject(new RedisUnavailable("too many commands are in flight"));
    return this.#send(command, args);
  };

  /** Closes the connection. If the connection is already closed, does nothing and keeps the first reason. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#client.close();
    this.#onLost(reason);
  }

  #send(command: string, args: readonly string[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const repliesBefore = this.#replies;
    const timer = setTimeout(() => {
      const reason = `no reply within ${this.#timeoutMs} ms`;
      reject(new RedisUnavailable(reason));
      this.#onError("timeout");
      if (this.#replies === repliesBefore) this.lose(reason);
    }, this.#timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      this.#inFlight--;
    };
    this.#inFlight++;
    this.#client.send(command, [...args]).then(
      (reply) => {
        settle();
        this.#replies++;
        resolve(reply);
      },
      (error: unknown) => {
        settle();
        reject(this.#unavailable(error));
      },
    );
    return promise;
  }

  #unavailable(error: unknown): RedisUnavailable {
    const message = messageOf(error);
    if (this.#lost === undefined) this.#count(message);
    if (WRONG_SERVER.test(message)) this.lose(message);
    const explained = /^WRONGTYPE\b/.test(message) ? `${WRONG_TYPE} ${this.#keySetting}` : message;
    return new RedisUnavailable(this.#lost ?? explained, { cause: error });
  }

  /**
   * Reports the error code in a message to `onError`. Does not report NOSCRIPT, because it is no fault: after this error, `Script`
   * sends the text of the script.
   */
  #count(message: string): void {
    const code = ERROR_CODE.exec(message)?.[1] ?? "other";
    if (code !== "NOSCRIPT") this.#onError(code);
  }
}

/** Returns only the options that are defined, because RedisClient treats an option with the value `undefined` as set. */
function definedParts({ ca, cert, key }: Partial<RedisTls> = {}) {
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}
