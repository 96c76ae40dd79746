import type { Refusal } from "../core/refusal.ts";

/** In which of the two encodings a stream takes its events. */
export type EventCodec = "proto" | "json";

/** An object, not a function: a closure would cost memory for every open stream. */
export interface SinkListener {
  /** The refusal that ended the stream; anything else if the client went away. */
  ended(thrown: unknown): void;
}

/** One client's stream as the hub sees it, whatever protocol and connection are behind it. */
export interface Sink {
  readonly codec: EventCodec;
  /** The protocol's name, for metrics. */
  readonly protocol: string;
  /** Whether the stream has ended, whatever ended it. The only place where this is kept. */
  readonly ended: boolean;
  /** Sends one framed event. The same array goes to many sinks: nobody writes into it. Never throws; does nothing after the end. */
  write(frame: Uint8Array): void;
  /** Ends the stream after what was written, with the reason. Only the first call has an effect. */
  end(refusal: Refusal): void;
  /** Bytes that were written and the client has not taken yet, as far as the runtime tells. */
  readonly queuedBytes: number;
  /** Resolves when the client has taken enough for more to be written, or is gone. */
  drained(): Promise<void>;
  /** Calls back once when the stream ends, synchronously; at once if it has ended. */
  onEnd(listener: SinkListener): void;
}
