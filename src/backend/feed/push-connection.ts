import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { withoutBrackets } from "../../core/listen.ts";
import { FilteredSocket } from "../../hpack/filtered-socket.ts";
import { PushPings } from "./push-pings.ts";

export interface PushConnectionOptions {
  readonly url: string;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /**
   * Called when the backend rejects the connection because of too many pings. `nextIntervalMs` is the time between pings on
   * later connections.
   */
  readonly onTooManyPings: (nextIntervalMs: number) => void;
}

/**
 * Time without data after which the kernel sends TCP keepalive probes. These probes detect an unreachable host. They do not
 * detect a backend process that hangs; HTTP/2 pings do.
 */
const TCP_PROBE_AFTER_MS = 10_000;
const EARLY_PING_MS = 10_000;
const TOO_MANY_PINGS = "too_many_pings";

/**
 * The HTTP/2 connection of the push feed. The feed opens a new connection for each stream, so that the host name of the backend
 * is resolved again.
 */
export class PushConnection {
  readonly authority: string;
  readonly #options: PushConnectionOptions;
  #pingIntervalMs: number;
  #earlyPingMs: number;
  #connection: ClientHttp2Session | undefined;
  #pings: PushPings | undefined;

  constructor(options: PushConnectionOptions) {
    this.authority = new URL(options.url).origin;
    this.#options = options;
    this.#pingIntervalMs = options.pingIntervalMs;
    this.#earlyPingMs = Math.min(EARLY_PING_MS, options.pingIntervalMs);
  }

  /** Closes the previous connection and opens a new one. Throws a ConnectError. */
  async open(): Promise<void> {
    this.close(new ConnectError("replaced by a new connection", Code.Canceled));
    const connection = connect(this.authority, {
      createConnection: () => new FilteredSocket(openSocket(new URL(this.authority)), "client"),
    });
    this.#connection = connection;
    const { connectTimeoutMs } = this.#options;
    const late = new ConnectError("the backend did not accept the connection in time", Code.Unavailable);
    const timer = setTimeout(() => connection.destroy(late), connectTimeoutMs);
    try {
      await opened(connection);
    } finally {
      clearTimeout(timer);
    }
    this.#watch(connection);
  }

  /** Starts an HTTP/2 request. connect-es requires this method of a `sessionProvider`. */
  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    const connection = this.#connection;
    if (connection === undefined || connection.destroyed || connection.closed) {
      throw new ConnectError("the connection is closed", Code.Unavailable);
    }
    return connection.request({ ...headers, ":method": method, ":path": path });
  }

  /** Called when response data arrives. connect-es requires this method of a `sessionProvider`. */
  notifyResponseByteRead(): void {
    this.#pings?.received();
  }

  close(reason = new ConnectError("connection aborted", Code.Canceled)): void {
    this.#pings?.stop();
    this.#pings = undefined;
    this.#connection?.destroy(reason, constants.NGHTTP2_CANCEL);
    this.#connection = undefined;
  }

  #watch(connection: ClientHttp2Session): void {
    const pings = new PushPings({
      intervalMs: this.#pingIntervalMs,
      earlyIntervalMs: this.#earlyPingMs,
      timeoutMs: this.#options.pingTimeoutMs,
      ping: (onAnswer) => void connection.ping((error) => error === null && onAnswer()),
      onDead: () => destroy(connection, "no answer to a ping in time"),
    });
    this.#pings = pings;
    connection.on("close", () => pings.stop());
    connection.on("goaway", (_code, _last, data?: Uint8Array) => {
      if (data === undefined || Buffer.from(data).toString("latin1") !== TOO_MANY_PINGS) return;
      this.#pingLessOften();
      destroy(connection, `the backend refused the ping rate (${TOO_MANY_PINGS})`);
    });
  }

  /**
   * Handles `too_many_pings`. gRFC A8 ("Basic Keepalive") requires the client to double its ping interval.
   *
   * - If the gateway sends early pings (see `PingOptions.earlyIntervalMs`), it stops sending them and keeps the interval.
   * - Otherwise, it doubles the interval.
   */
  #pingLessOften(): void {
    if (this.#earlyPingMs === this.#pingIntervalMs) this.#pingIntervalMs *= 2;
    this.#earlyPingMs = this.#pingIntervalMs;
    this.#options.onTooManyPings(this.#pingIntervalMs);
  }
}

function openSocket({ protocol, hostname, port }: URL) {
  const host = withoutBrackets(hostname);
  const isTls = protocol === "https:";
  const target = { host, port: Number(port || (isTls ? 443 : 80)), keepAlive: true, keepAliveInitialDelay: TCP_PROBE_AFTER_MS };
  if (!isTls) return connectTcp(target);
  // TLS does not allow an IP address as server name (SNI, RFC 6066 3).
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ ...target, ...name, ALPNProtocols: ["h2"], rejectUnauthorized: true });
}

function opened(connection: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once("connect", () => resolve());
    // The listener for "error" stays on the connection after the promise has settled. Without a listener, a later "error" event
    // would end the process.
    connection.on("error", (error) => reject(ConnectError.from(error, Code.Unavailable)));
    connection.once("close", () => reject(new ConnectError("the connection was closed", Code.Unavailable)));
  });
}

function destroy(connection: ClientHttp2Session, reason: string): void {
  connection.destroy(new ConnectError(reason, Code.Unavailable), constants.NGHTTP2_CANCEL);
}
