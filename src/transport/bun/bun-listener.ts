import type { AnyElysia } from "elysia";
import { type ListenAddress, ListenError, localUrl, serverTlsOptions, type TlsIdentity } from "../../core/listen.ts";
import { moveListeningSocket } from "../linux/listening-socket-move.ts";
import type { RenewableListener } from "../listener.ts";
import { SharablePort } from "../sharable-port.ts";
import { closeWhenUnused, drainServer } from "./drain-server.ts";
import type { ConnectionReuse } from "./exact-app.ts";

export interface BunListenerOptions {
  /** The name of the listener in error messages. */
  readonly what: string;
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
  /** Maximum length of a request body, in bytes. If a body is longer, the runtime closes the connection without a response. */
  readonly bodyBytesMax: number;
  /** A connection is closed after this time without a byte in either direction. Streams set their own timeout (`allowIdle`). */
  readonly idleTimeoutSeconds: number;
}

export interface BunListener extends RenewableListener {
  /** Adds `Connection: close` to all further HTTP/1.1 responses. The port stays open. */
  endReuse(): void;
}

/**
 * Opens a port for an Elysia application. Throws `ListenError` if the port cannot be opened.
 *
 * - The port serves HTTP/1.1 and HTTP/2. Clients select HTTP/2 by ALPN with TLS, and by prior knowledge (h2c) without TLS.
 * - A renewed certificate needs a new server, so `build` is called again for each renewed certificate.
 */
export function openBunListener(build: (reuse: ConnectionReuse) => AnyElysia, options: BunListenerOptions): BunListener {
  return new ServerListener(build, options);
}

class ServerListener implements BunListener {
  readonly address: BunListener["address"];
  readonly bound: BunListener["bound"];
  readonly url: string;
  readonly #build: (reuse: ConnectionReuse) => AnyElysia;
  readonly #options: BunListenerOptions;
  #serving: Serving;
  /** The servers with an earlier certificate. Each serves its connections until they end. */
  readonly #replaced = new Set<Serving>();
  #tls: TlsIdentity | undefined;
  readonly #port = new SharablePort(() => this.bound);
  #isRetired = false;

  constructor(build: (reuse: ConnectionReuse) => AnyElysia, options: BunListenerOptions) {
    this.#build = build;
    this.#options = options;
    this.#tls = options.tls;
    const { host, port } = options.listen;
    this.#serving = this.#open(options.tls, port);
    const { server } = this.#serving;
    this.address = { host, port: server.port ?? port };
    this.bound = boundAddressOf(server, this.address);
    this.url = localUrl(this.address, options.tls === undefined ? "http" : "https");
  }

  endReuse(): void {
    for (const { reuse } of this.#all()) reuse.isOver = true;
  }

  sharePort(): void {
    this.#port.share();
  }

  retire(): void {
    this.#isRetired = true;
    this.endReuse();
    this.#port.stopAccepting();
  }

  async drain(): Promise<void> {
    await Promise.all(this.#all().map(({ server }) => drainServer(server)));
  }

  async close(): Promise<void> {
    this.#port.close();
    await Promise.all(this.#all().map(({ server }) => server.stop(true)));
  }

  renewTls(tls: TlsIdentity): void {
    // `retire` has closed the port, so no new connection needs the certificate.
    if (this.#isRetired) return;
    // server.reload() does not replace the certificate, so a new server replaces the old one.
    if (process.platform === "linux") this.#moveSocket(tls);
    else this.#reopenPort(tls);
    this.#tls = tls;
  }

  #moveSocket(tls: TlsIdentity): void {
    const { server, reuse } = this.#serving;
    const next = this.#open(tls, 0);
    try {
      this.#port.moved(moveListeningSocket(this.bound, boundAddressOf(next.server, this.address)));
    } catch (error) {
      void next.server.stop(true);
      throw error;
    }
    reuse.isOver = true;
    const unusedMs = 1000 * (this.#options.idleTimeoutSeconds + IDLE_TIMEOUT_LATE_SECONDS);
    const closed = closeWhenUnused(server, () => reuse.requests, unusedMs);
    this.#replace(next, closed);
  }

  /** Replaces the server on the same port. Connections that the old server has not accepted yet are reset. */
  #reopenPort(tls: TlsIdentity): void {
    // The new server can open the port as soon as the old server stops accepting connections.
    const closed = drainServer(this.#serving.server, REPLACED_IDLE_MS);
    const { port } = this.address;
    try {
      this.#replace(this.#open(tls, port), closed);
    } catch (error) {
      this.#replace(this.#open(this.#tls, port), closed);
      throw error;
    }
  }

  #replace(next: Serving, closed: Promise<void>): void {
    const old = this.#serving;
    this.#replaced.add(old);
    closed.then(() => this.#replaced.delete(old));
    this.#serving = next;
  }

  #open(tls: TlsIdentity | undefined, port: number): Serving {
    const reuse: ConnectionReuse = { isOver: false, requests: 0 };
    return { reuse, server: start(this.#build(reuse), { ...this.#options, tls }, port) };
  }

  #all(): readonly Serving[] {
    return [...this.#replaced, this.#serving];
  }
}

/** A server, and the state that it shares with its application. */
interface Serving {
  readonly server: RunningServer;
  readonly reuse: ConnectionReuse;
}

/** Bun may close an idle connection later than the idle timeout, by at most this time. */
const IDLE_TIMEOUT_LATE_SECONDS = 8;

/**
 * On systems other than Linux, a replaced server closes its connections when it has had no request for this time. Until then, a
 * connection can finish its TLS handshake or send the rest of a request head.
 */
const REPLACED_IDLE_MS = 10_000;

type RunningServer = NonNullable<AnyElysia["server"]>;

function start(
  app: AnyElysia,
  { what, listen, tls, bodyBytesMax, idleTimeoutSeconds }: BunListenerOptions,
  port: number,
): RunningServer {
  try {
    app.listen({
      hostname: listen.host,
      port,
      http2: true,
      // Elysia's default is `true`. With `true`, another process could open the same port without an error, and take some of the
      // connections.
      reusePort: listen.isShared === true,
      // In development mode, error pages contain stack traces.
      development: false,
      maxRequestBodySize: bodyBytesMax,
      idleTimeout: idleTimeoutSeconds,
      ...(tls && { tls: serverTlsOptions(tls) }),
    });
  } catch (error) {
    throw new ListenError(what, listen, error);
  }
  if (!app.server) throw new ListenError(what, listen, new Error("the server did not start"));
  return app.server;
}

/**
 * Returns the IP address and the port on which the server listens. The IP address is from `server.address`, which Bun's types do
 * not contain. `server.hostname` is not used, because it is the configured host, which may be a name. If `server.address` or the
 * port is missing, `configured` is used instead.
 */
function boundAddressOf(server: RunningServer, configured: ListenAddress): ListenAddress {
  const bound: unknown = Reflect.get(server, "address");
  const isAddress = typeof bound === "object" && bound !== null && "address" in bound && typeof bound.address === "string";
  return { host: isAddress ? String(bound.address) : configured.host, port: server.port ?? configured.port };
}
