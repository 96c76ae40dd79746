import type { Target } from "./connection.ts";

export type ListenerName = "edge" | "grpc";

/** One way to leave without a word. */
export interface RudeKind {
  readonly name: string;
  readonly listener: ListenerName;
  /** Streams that one cycle opens, and each counts as a cycle; 0 where it leaves before there is any. */
  readonly streams: number;
  /** Comes and goes. Rejects where the server did not do its part. */
  leave(target: Target): Promise<void>;
}

/** What streams can be carried by, to be there at once in numbers and then all gone. */
export interface Carrier {
  readonly name: string;
  readonly listener: ListenerName;
  /** Opens one connection with as many streams as it carries, and stays. */
  open(target: Target): Promise<{ readonly streams: number; reset(): void }>;
}
