import type { Refusal } from "../core/refusal.ts";

/** The encoding of a stream's events. */
export type EventCodec = "proto" | "json";

/**
 * Is notified when a stream ends. It is an interface and not a callback, because a callback would need one closure, and so more memory, for
 * each open stream.
 */
export interface SinkListener {
  /**
   * Called when the stream has ended. `thrown` is the `Refusal` that ended the stream; any other value means that the client disconnected.
   */
  ended(thrown: unknown): void;
}

/** One client's stream, as the hub uses it. The implementation hides the protocol and the connection. */
export interface Sink {
  readonly codec: EventCodec;
  /** The name of the protocol, used as a metric label. */
  readonly protocol: string;
  /** Whether the stream has ended, for any reason. Only the sink stores this state. */
  readonly ended: boolean;
  /** Sends one framed event. Many sinks share the array: do not modify it. Never throws. Has no effect after the stream has ended. */
  write(frame: Uint8Array): void;
  /** Ends the stream with the refusal, after all frames that were already written. Only the first call has an effect. */
  end(refusal: Refusal): void;
  /** The number of bytes that were written and that the runtime has not sent yet. */
  readonly queuedBytes: number;
  /** Resolves when the runtime's queue has room for more frames, or when the stream has ended. */
  drained(): Promise<void>;
  /**
   * Registers a listener. `listener.ended` is called exactly once: synchronously when the stream ends. If the stream has already ended, it
   * is called immediately.
   */
  onEnd(listener: SinkListener): void;
}
