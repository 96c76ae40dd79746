import type { Target } from "./connection.ts";

export type ListenerName = "edge" | "grpc";

/** One way to disconnect abruptly. */
export interface DisconnectKind {
  readonly name: string;
  readonly listener: ListenerName;
  /** Streams per connection, each counted as a cycle. 0 if it disconnects before a stream is open. */
  readonly streams: number;
  /** Connects and disconnects. Rejects if the server closes the connection too early. */
  disconnect(target: Target): Promise<void>;
}

/** A protocol that carries streams which vanish together. */
export interface Carrier {
  readonly name: string;
  readonly listener: ListenerName;
  /** Opens one connection with its streams and keeps it open. */
  open(target: Target): Promise<{ readonly streams: number; reset(): void }>;
}
