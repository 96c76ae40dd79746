import type { AnyElysia } from "elysia";
import { type ListenAddress, ListenError, localUrl, serverTlsOptions, type TlsIdentity } from "../../core/listen.ts";
import type { RenewableListener } from "../listener.ts";
import { drainServer } from "./drain-server.ts";

export interface BunListenerOptions {
  /** The listener's name for error messages. */
  readonly what: string;
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
  /** The runtime closes connections with longer bodies, independent of the handler. */
  readonly bodyBytesMax: number;
  /** Time without a byte in either direction, after which a connection is closed. Streams are exempt. */
  readonly idleTimeoutSeconds: number;
}

/**
 * Opens a port for an Elysia application: HTTP/1.1, and HTTP/2 by prior knowledge (h2c) or, with TLS, by ALPN. Throws `ListenError`.
 * `build` is called again for each renewed certificate, since that needs a new server.
 */
export function openBunListener(build: () => AnyElysia, options: BunListenerOptions): RenewableListener {
  let server = start(build(), options, options.listen.port);
  let current = options.tls;
  const address = { host: options.listen.host, port: server.port ?? options.listen.port };
  const retired = new Set<AppServer>();
  const all = () => [...retired, server];
  return {
    address,
    bound: { host: boundHostOf(server) ?? address.host, port: address.port },
    url: localUrl(address, options.tls === undefined ? "http" : "https"),
    drain: async () => void (await Promise.all(all().map((each) => drainServer(each)))),
    close: async () => void (await Promise.all(all().map((each) => each.stop(true)))),
    renewTls(tls) {
      // server.reload() does not replace the certificate. The port is free as soon as the old server stops accepting.
      const old = server;
      retired.add(old);
      drainServer(old, RETIRED_IDLE_MS).then(() => retired.delete(old));
      try {
        server = start(build(), { ...options, tls }, address.port);
        current = tls;
      } catch (error) {
        server = start(build(), { ...options, tls: current }, address.port);
        throw error;
      }
    },
  };
}

/** Time for connections that are in their handshake, or in the head of a request, when a certificate is renewed. */
const RETIRED_IDLE_MS = 10_000;

type AppServer = NonNullable<AnyElysia["server"]>;

function start(
  app: AnyElysia,
  { what, listen, tls, bodyBytesMax, idleTimeoutSeconds }: BunListenerOptions,
  port: number,
): AppServer {
  try {
    app.listen({
      hostname: listen.host,
      port,
      http2: true,
      // Elysia's default is true, which would silently share the port with another process.
      reusePort: false,
      // Error pages of the development mode contain stack traces.
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

/** `server.hostname` is the configured host. `server.address`, which Bun's types omit, is the bound address. */
function boundHostOf(server: AppServer): string | undefined {
  const bound: unknown = Reflect.get(server, "address");
  const isAddress = typeof bound === "object" && bound !== null && "address" in bound && typeof bound.address === "string";
  return isAddress ? String(bound.address) : undefined;
}
