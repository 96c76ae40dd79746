import type { Refusal } from "../core/refusal.ts";

/** In which of the two encodings a stream takes its events. */
export type EventCodec = "proto" | "json";

/** An object, not a function: a closure would be one more for every open stream. */
export interface SinkListener {
  closed(): void;
}

/** One client's stream as the hub sees it, whatever protocol and connection are behind it. */
export interface Sink {
  readonly codec: EventCodec;
  /** The protocol's name, for metrics. */
  readonly protocol: string;
  /** Sends one framed event. The same array goes to many sinks: nobody writes into it. Never throws. */
  write(frame: Uint8Array): void;
  /** Ends the stream after what was written, and says why. Idempotent. */
  end(refusal: Refusal): void;
  /** Bytes that were written and the client has not taken yet, as far as the runtime tells. */
  readonly queuedBytes: number;
  /** Resolves when the client has taken enough for more to be written, or is gone. */
  drained(): Promise<void>;
  /** Calls back once when the client is gone or the stream has ended. */
  onClose(listener: SinkListener): void;
}
