import type { Refusal } from "../core/refusal.ts";
import type { Admission } from "./admission.ts";
import type { EventCodec, Sink } from "./sink.ts";

export interface PollRequest {
  readonly codec: EventCodec;
  /** The name of the protocol, used as a metric label. */
  readonly protocol: string;
  readonly eventsMax: number;
  /** Maximum total size of the events, in bytes. The first event is returned even if it is larger. */
  readonly bytesMax: number;
  /** How long the poll waits for its first event, in ms. */
  readonly waitMs: number;
}

export interface PollAnswer {
  /** The framed events: `gateway.server_time`, then the collected events. */
  readonly frames: readonly Uint8Array[];
  readonly waitedMs: number;
}

/**
 * Check 8 of the pipeline, for subscriptions and polls. `LocalStreams` uses the hub of this process. A worker process uses the
 * hub of the supervisor.
 */
export interface EventStreams {
  /** Opens a stream. Resolves when `gateway.server_time` is written. Throws the refusal of the hub: see `Hub.register`. */
  register(admission: Admission, sink: Sink): Promise<void>;
  /**
   * Returns the missed events. If there are none, waits for the first event. The wait ends after `request.waitMs`, when `released`
   * aborts, or when the client disconnects and `signal` aborts. Throws the refusal of the hub.
   */
  poll(admission: Admission, request: PollRequest, signal: AbortSignal, released?: AbortSignal): Promise<PollAnswer>;
  /** Creates the refusal SHUTTING_DOWN. Its retry delay depends on the number of streams at the start of the shutdown. */
  shuttingDown(): Refusal;
}
