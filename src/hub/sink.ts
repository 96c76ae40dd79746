import type { Refusal } from "../core/refusal.ts";

/** The encoding of a stream's events. */
export type EventCodec = "proto" | "json";

/**
 * Receives the end of a stream. An interface needs less memory than a callback, because a callback would be one closure per open stream.
 */
export interface SinkListener {
  /** `thrown` is the `Refusal` that ended the stream, or any other value if the client disconnected. */
  ended(thrown: unknown): void;
}

/** One client's stream, as the hub uses it. The implementation hides the protocol and the connection. */
export interface Sink {
  readonly codec: EventCodec;
  /** The name of the protocol, used as a metric label. */
  readonly protocol: string;
  /** Whether the stream has ended, for any reason. No other object stores this state. */
  readonly ended: boolean;
  /** Sends one framed event. Many sinks share the array: do not modify it. Never throws. Has no effect after the stream has ended. */
  write(frame: Uint8Array): void;
  /** Ends the stream with the refusal, after all frames that were already written. Only the first call has an effect. */
  end(refusal: Refusal): void;
  /** The number of bytes that were written and that the runtime has not sent yet. */
  readonly queuedBytes: number;
  /** Resolves when the runtime's queue has room for more frames, or when the stream has ended. */
  drained(): Promise<void>;
  /** Calls `listener.ended` exactly once: synchronously when the stream ends, or immediately if the stream has already ended. */
  onEnd(listener: SinkListener): void;
}
