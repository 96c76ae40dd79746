import type { Refusal } from "../core/refusal.ts";

/** The encoding of a stream's events. */
export type EventCodec = "proto" | "json";

/** An object instead of a callback: a closure per open stream would cost memory. */
export interface SinkListener {
  /** `thrown` is the `Refusal` that ended the stream, or any other value if the client disconnected. */
  ended(thrown: unknown): void;
}

/** One client's stream, as the hub uses it. The implementation hides protocol and connection. */
export interface Sink {
  readonly codec: EventCodec;
  /** The protocol's name, as a metric label. */
  readonly protocol: string;
  /** Whether the stream has ended, for any reason. No other object stores this state. */
  readonly ended: boolean;
  /** Sends one framed event. Many sinks share the array, so it must not be modified. Never throws; has no effect after the end. */
  write(frame: Uint8Array): void;
  /** Ends the stream with the refusal, after the frames written so far. Only the first call has an effect. */
  end(refusal: Refusal): void;
  /** Bytes that were written and are still queued in the runtime. */
  readonly queuedBytes: number;
  /** Resolves when the queue has drained enough to write more, or when the stream has ended. */
  drained(): Promise<void>;
  /** Calls the listener once, synchronously when the stream ends, or immediately if it has ended. */
  onEnd(listener: SinkListener): void;
}
