import type { AnyElysia } from "elysia";
import { type ListenAddress, ListenError, localUrl, type TlsIdentity } from "../core/listen.ts";

/** An open port. */
export interface Listener {
  /** As it turned out, where port 0 was asked for. */
  readonly address: ListenAddress;
  /** `http://host:port` */
  readonly url: string;
  /** Stops accepting, and resolves when the calls in flight are answered. */
  drain(): Promise<void>;
  /** Cuts whatever is still open. */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** What listens, for error messages. */
  readonly what: string;
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
  /** Bodies beyond this are cut off by the runtime, whatever the handler does. */
  readonly bodyBytesMax: number;
  /** Seconds without a byte in either direction after which a connection is closed. Streams are exempt. */
  readonly idleTimeoutSeconds: number;
}

/** Opens a port for an Elysia application: HTTP/1.1 and HTTP/2, by prior knowledge (h2c) or, with TLS, by ALPN. Throws `ListenError`. */
export function serveOn(app: AnyElysia, options: ServeOptions): Listener {
  const { what, listen } = options;
  try {
    app.listen({
      hostname: listen.host,
      port: listen.port,
      http2: true,
      // Elysia's own default shares the port with whoever listens already, silently.
      reusePort: false,
      // Error pages of the development mode show stacks.
      development: false,
      maxRequestBodySize: options.bodyBytesMax,
      idleTimeout: options.idleTimeoutSeconds,
      ...(options.tls && { tls: tlsOf(options.tls) }),
    });
  } catch (error) {
    throw new ListenError(what, listen, error);
  }
  const { server } = app;
  if (!server) throw new ListenError(what, listen, new Error("the server did not start"));
  const address = { host: listen.host, port: server.port ?? listen.port };
  return {
    address,
    url: localUrl(address, options.tls === undefined ? "http" : "https"),
    drain: () => server.stop(false),
    close: () => server.stop(true),
  };
}

/** As `Bun.serve` wants it. A client certificate is demanded where there is an authority to check it by, and never otherwise. */
function tlsOf({ certificate, privateKey, clientAuthority }: TlsIdentity) {
  const identity = { cert: certificate, key: privateKey };
  if (clientAuthority === undefined) return identity;
  return { ...identity, ca: clientAuthority, requestCert: true, rejectUnauthorized: true };
}
