import type { ListenAddress, TlsIdentity } from "../core/listen.ts";

/** An open port. */
export interface Listener {
  /** As it turned out, where port 0 was asked for. */
  readonly address: ListenAddress;
  /** The IP address and port that the system bound: a name resolved, a wildcard as it is. */
  readonly bound: ListenAddress;
  /** `http://host:port`, under which this machine reaches it. */
  readonly url: string;
  /** Stops accepting, and resolves when the calls in flight are answered. */
  drain(): Promise<void>;
  /** Cuts whatever is still open. */
  close(): Promise<void>;
}

/** A listener whose certificate can be renewed while it serves. */
export interface RenewableListener extends Listener {
  /** From now on new connections get this identity; those that are open keep theirs. */
  renewTls(tls: TlsIdentity): void;
}
