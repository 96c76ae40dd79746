import type { ListenAddress, TlsIdentity } from "../core/listen.ts";

export interface Listener {
  /**
   * The configured host and the actual port. If port 0 was configured, the actual port is the free port that the system chose.
   */
  readonly address: ListenAddress;
  /** The IP address and the port on which the system listens. The address may be a wildcard address, such as `0.0.0.0`. */
  readonly bound: ListenAddress;
  /** The URL for clients on this machine, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Stops accepting connections. Resolves when all calls in flight are answered. */
  drain(): Promise<void>;
  /** Lets other processes of this gateway listen on the same port. Throws if the system does not support this. */
  sharePort(): void;
  /**
   * Closes the port and leaves all connections open. Tells clients to use other connections for further calls. HTTP/1.1 responses
   * get `Connection: close`, and HTTP/2 connections of `node:http2` get GOAWAY. Throws if the port is not shared: see `sharePort`.
   */
  retire(): void;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** A listener whose TLS certificate can be replaced while it serves. */
export interface RenewableListener extends Listener {
  /** Uses `tls` for new connections. Open connections keep their certificate. */
  renewTls(tls: TlsIdentity): void;
}
