import type { ListenAddress, TlsIdentity } from "../core/listen.ts";

/** An open port. */
export interface Listener {
  /** The configured host, with the port that the system chose if 0 was configured. */
  readonly address: ListenAddress;
  /** The IP address and port that the system bound. A wildcard address stays one. */
  readonly bound: ListenAddress;
  /** URL for clients on this machine: `http://host:port`. */
  readonly url: string;
  /** Stops accepting connections. Resolves when the calls in flight are answered. */
  drain(): Promise<void>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** A listener whose TLS certificate can be replaced while it serves. */
export interface RenewableListener extends Listener {
  /** New connections get this identity. Open connections keep theirs. */
  renewTls(tls: TlsIdentity): void;
}
