import type { Refusal } from "../core/refusal.ts";

/** The encoding of a stream's events. */
export type EventCodec = "proto" | "json";

/**
 * The sink notifies this listener when its stream ends. It is an object and not a callback, because a callback would need one
 * closure per stream.
 */
export interface SinkListener {
  /**
   * Called when the stream has ended. `thrown` is the `Refusal` that ended it. Any other value means that the client
   * disconnected.
   */
  ended(thrown: unknown): void;
}

/** The properties of a stream that determine the bytes of its frames. Streams with the same properties get the same bytes. */
export type FrameForm = Pick<Sink, "codec" | "isBase64">;

/** One client's stream, as the hub uses it. The implementation hides the protocol and the connection. */
export interface Sink {
  /** Whether this is a poll: a call of FetchEvents that waits for events. A poll gets no heartbeats and does not expire. */
  readonly isPoll?: boolean;
  readonly codec: EventCodec;
  /** Whether `write` takes frames in base64 (gRPC-Web text). */
  readonly isBase64: boolean;
  /** The name of the protocol, used as a metric label. */
  readonly protocol: string;
  /** Whether the stream has ended, for any reason. Only the sink stores this state. */
  readonly ended: boolean;
  /**
   * Sends one framed event. Never throws. No effect after the stream has ended. Other sinks get the same array: do not modify
   * it.
   */
  write(frame: Uint8Array): void;
  /** Ends the stream with the refusal, after all frames that were already written. Only the first call has an effect. */
  end(refusal: Refusal): void;
  /** Ends the wait for the first event, so that the poll is answered now. Only the sink of a poll has this method. */
  release?(): void;
  /** Number of written bytes that the runtime has not sent yet. */
  readonly queuedBytes: number;
  /** Number of bytes that the client has not read yet, as the worker last reported. `undefined` if no worker serves the stream. */
  readonly unreadBytes?: number;
  /** Resolves when the runtime's queue has room for more frames, or when the stream has ended. */
  drained(): Promise<void>;
  /** Calls `listener.ended` exactly once: synchronously when the stream ends, or immediately if it has already ended. */
  onEnd(listener: SinkListener): void;
}
