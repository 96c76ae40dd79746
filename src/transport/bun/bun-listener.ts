import type { AnyElysia } from "elysia";
import { type ListenAddress, ListenError, localUrl, serverTlsOptions, type TlsIdentity } from "../../core/listen.ts";
import { moveListeningSocket } from "../linux/listening-socket-move.ts";
import { stopAccepting } from "../linux/port-sharing.ts";
import type { RenewableListener } from "../listener.ts";
import { drainServer } from "./drain-server.ts";
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
  /** As `retire`, but the port stays open. */
  endReuse(): void;
}

/**
 * Opens a port for an Elysia application. Throws `ListenError` if the port cannot be opened.
 *
 * - The port serves HTTP/1.1 and HTTP/2. Clients select HTTP/2 by ALPN with TLS, and by prior knowledge (h2c) without TLS.
 * - A renewed certificate needs a new server, so `build` is called again for each renewed certificate.
 */
export function openBunListener(build: (reuse: ConnectionReuse) => AnyElysia, options: BunListenerOptions): BunListener {
  const reuse: ConnectionReuse = { isOver: false };
  let server = start(build(reuse), options, options.listen.port);
  let current = options.tls;
  const address = { host: options.listen.host, port: server.port ?? options.listen.port };
  const retired = new Set<RunningServer>();
  const all = () => [...retired, server];
  return {
    address,
    bound: { host: boundHostOf(server) ?? address.host, port: address.port },
    url: localUrl(address, options.tls === undefined ? "http" : "https"),
    endReuse() {
      reuse.isOver = true;
    },
    retire() {
      stopAccepting(address.port);
      reuse.isOver = true;
    },
    drain: async () => void (await Promise.all(all().map((each) => drainServer(each)))),
    close: async () => void (await Promise.all(all().map((each) => each.stop(true)))),
    renewTls(tls) {
      // A retired listener has no port any more.
      if (reuse.isOver) return;
      // server.reload() does not replace the certificate, so a new server replaces the old one.
      const old = server;
      const open = (identity: TlsIdentity | undefined, port: number) =>
        start(build(reuse), { ...options, tls: identity }, port);
      const retireOld = () => {
        retired.add(old);
        drainServer(old, RETIRED_IDLE_MS).then(() => retired.delete(old));
      };
      if (process.platform === "linux") {
        server = withSocketOf(address.port, open(tls, 0));
        retireOld();
      } else {
        // The new server can open the port as soon as the old server stops accepting connections.
        retireOld();
        try {
          server = open(tls, address.port);
        } catch (error) {
          server = open(current, address.port);
          throw error;
        }
      }
      current = tls;
    },
  };
}

/** Gives the listening socket of `port` to a server that was just opened. If that fails, closes the server and throws. */
function withSocketOf(port: number, server: RunningServer): RunningServer {
  try {
    moveListeningSocket(port, server.port ?? port);
    return server;
  } catch (error) {
    void server.stop(true);
    throw error;
  }
}

/**
 * After a renewal of the certificate, a new server replaces the old server. The old server closes its connections when it has
 * had no request for this time. Until then, a connection can finish its TLS handshake or send the rest of a request head.
 */
const RETIRED_IDLE_MS = 10_000;

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
      // Elysia's default is true. Another process could then open the same port without an error, and take some of the
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
 * Returns the IP address on which the server listens. `server.hostname` would be the configured host. `server.address` is
 * missing in Bun's types.
 */
function boundHostOf(server: RunningServer): string | undefined {
  const bound: unknown = Reflect.get(server, "address");
  const isAddress = typeof bound === "object" && bound !== null && "address" in bound && typeof bound.address === "string";
  return isAddress ? String(bound.address) : undefined;
}
