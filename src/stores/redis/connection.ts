import { RedisClient } from "bun";
import { messageOf } from "../../core/cause.ts";
import { whyNoConnection } from "./probe.ts";
import { type RedisTls, wantsTls } from "./tls.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface ConnectionOptions {
  readonly url: string;
  /** Longest wait for the answer to one command. */
  readonly timeoutMs: number;
  /** Asked for each connection anew, where the URL wants TLS. Throws `RedisUnavailable`. */
  readonly tls?: (() => RedisTls) | undefined;
  /** Told of each command that the server refused, by its error code, or did not answer in time: `timeout`. */
  readonly onError?: ((code: string) => void) | undefined;
}

/** Sends one command and gives its answer. Throws `RedisUnavailable`. */
export type RedisCall = (command: string, args: readonly string[]) => Promise<unknown>;

/** TCP, TLS and the login, to a server that may be a region away. */
const CONNECT_TIMEOUT_MS = 3000;
/** Once more, to say why that failed. */
const PROBE_TIMEOUT_MS = 1500;
/** Commands under way at once: some hundred bytes each. A server so far behind answers none of them in time. */
const CALLS_MAX = 16_384;
/** Answers after which this is the wrong server: it has become a replica, or its password has changed. */
const WRONG_SERVER = /^(READONLY|NOAUTH|WRONGPASS)\b/;
/** Error codes (Redis protocol, "Simple errors"). Any other is `other`: who counts them is to see few. */
const ERROR_CODE =
  /^(BUSY|ERR|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|NOSCRIPT|OOM|READONLY|TRYAGAIN|WRONGPASS|WRONGTYPE)\b/;

/**
 * One connection to Redis, from its opening to its loss. It never reconnects and never sends a command twice: whoever holds it learns
 * once that it is lost, and every command under way fails then.
 *
 * A command that is not answered in time fails; where nothing at all was answered since it was sent, the connection counts as lost.
 */
export class RedisConnection {
  readonly #client: RedisClient;
  readonly #timeoutMs: number;
  readonly #onLost: (reason: string) => void;
  readonly #onError: (code: string) => void;
  #underWay = 0;
  #answers = 0;
  #lost: string | undefined;

  private constructor(client: RedisClient, options: ConnectionOptions, onLost: (reason: string) => void) {
    this.#client = client;
    this.#timeoutMs = options.timeoutMs;
    this.#onError = options.onError ?? (() => {});
    this.#onLost = onLost;
    client.onclose = () => this.lose("the server closed the connection");
  }

  static async open(options: ConnectionOptions, onLost: (reason: string) => void): Promise<RedisConnection> {
    const { url } = options;
    const tls = wantsTls(url) ? options.tls?.() : undefined;
    const client = new RedisClient(url, {
      // The client takes an option that is undefined for one that is set.
      ...(wantsTls(url) && { tls: { ...given(tls), rejectUnauthorized: true } }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      idleTimeout: 0,
      autoReconnect: false,
      maxRetries: 0,
      // A command that cannot be sent now fails now. Kept for later, it would answer nobody.
      enableOfflineQueue: false,
      enableAutoPipelining: true,
    });
    try {
      await client.connect();
    } catch {
      // The client tells a closed port, a wrong password and a missing TLS all alike.
      throw new RedisUnavailable(await whyNoConnection({ url, tls, timeoutMs: PROBE_TIMEOUT_MS }));
    }
    return new RedisConnection(client, options, onLost);
  }

  /** Why the connection is no more; `undefined` while it is. */
  get lost(): string | undefined {
    return this.#lost;
  }

  readonly call: RedisCall = (command, args) => {
    if (this.#lost !== undefined) return Promise.reject(new RedisUnavailable(this.#lost));
    if (this.#underWay >= CALLS_MAX) return Promise.reject(new RedisUnavailable("too many commands are under way"));
    return this.#send(command, args);
  };

  /** Ends the connection. The first reason is the one that is told. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#client.close();
    this.#onLost(reason);
  }

  #send(command: string, args: readonly string[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const answersBefore = this.#answers;
    const timer = setTimeout(() => {
      const reason = `no answer within ${this.#timeoutMs} ms`;
      reject(new RedisUnavailable(reason));
      this.#onError("timeout");
      if (this.#answers === answersBefore) this.lose(reason);
    }, this.#timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      this.#underWay--;
    };
    this.#underWay++;
    this.#client.send(command, [...args]).then(
      (answer) => {
        settle();
        this.#answers++;
        resolve(answer);
      },
      (error: unknown) => {
        settle();
        reject(this.#explain(error));
      },
    );
    return promise;
  }

  #explain(error: unknown): RedisUnavailable {
    const message = messageOf(error);
    if (this.#lost === undefined) this.#count(message);
    if (WRONG_SERVER.test(message)) this.lose(message);
    return new RedisUnavailable(this.#lost ?? message, { cause: error });
  }

  /** A script that the server does not know yet is sent to it, and is no error. */
  #count(message: string): void {
    const code = ERROR_CODE.exec(message)?.[1] ?? "other";
    if (code !== "NOSCRIPT") this.#onError(code);
  }
}

/** The parts that are there. */
function given({ ca, cert, key }: Partial<RedisTls> = {}) {
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}
