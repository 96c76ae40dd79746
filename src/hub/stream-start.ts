import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../core/telemetry.ts";
import type { Admission } from "./admission.ts";
import type { SignedEvent } from "./event.ts";
import type { GatewayEvents } from "./gateway-events.ts";
import type { History } from "./history.ts";
import type { Position, StreamPositions } from "./stream-positions.ts";
import type { Subscription } from "./subscription.ts";

/** The parts of the event `gateway.server_time` that depend on where the stream starts. */
export interface StartPosition {
  /** Whether the client resumes, and gets all events that it missed. */
  readonly resumed: boolean;
  /** The stream position up to which the client has received all events; `undefined` if the client must resync. */
  readonly position: Position | undefined;
}

/** How a stream starts: its position, and the events to deliver after `gateway.server_time`. */
export interface StreamStart extends StartPosition {
  /** The events that the client missed, in order. */
  readonly missed: readonly SignedEvent[];
  /** Whether missed events may be lost. If true, the event `gateway.resync` follows `gateway.server_time`. */
  readonly mustResync: boolean;
}

export interface StreamStartParts {
  readonly history: History;
  readonly positions: StreamPositions;
  readonly gatewayEvents: GatewayEvents;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Decides with which events a stream starts. */
export class StreamStarts {
  readonly #parts: StreamStartParts;

  constructor(parts: StreamStartParts) {
    this.#parts = parts;
  }

  /**
   * Whether the replay buffers have all events for this client after the event `resumeAfter`. `true` if `resumeAfter` is
   * `undefined`.
   */
  isKnown({ resumeAfter, userId, deviceSessionId }: Admission): boolean {
    return resumeAfter === undefined || this.#parts.history.since(resumeAfter, userId, deviceSessionId) !== undefined;
  }

  /** Looks up the events that the client missed. */
  find({ resumeAfter, userId, deviceSessionId }: Admission): StreamStart {
    const { history, positions, metrics } = this.#parts;
    if (resumeAfter === undefined) return { resumed: false, position: positions.latest, missed: [], mustResync: false };
    const missed = history.since(resumeAfter, userId, deviceSessionId);
    metrics.count("sallyport_resumes_total", { outcome: missed === undefined ? "resync" : "whole" });
    // A client that must resync gets no resume position until `gateway.resync` is delivered.
    if (missed === undefined) return { resumed: false, position: undefined, missed: [], mustResync: true };
    return { resumed: true, position: missed.after, missed: missed.events, mustResync: false };
  }

  serverTime({ deviceSessionId, userId, requestId }: Admission, { resumed, position }: StartPosition): SignedEvent {
    return this.#parts.gatewayEvents.serverTime({ deviceSessionId, userId, requestId, resumed, position });
  }

  /**
   * Delivers the missed events. If some of them may be lost, delivers the event `gateway.resync` instead. Call it in the same
   * turn of the event loop as `find`. Otherwise, a later event could be delivered first.
   */
  deliver(subscription: Subscription, { missed, mustResync }: StreamStart): void {
    const { clock, metrics, gatewayEvents, positions } = this.#parts;
    const nowMs = clock.monotonic();
    const replayed = missed.filter((event) => subscription.deliver(event, nowMs));
    metrics.count("sallyport_event_deliveries_total", undefined, replayed.length);
    if (mustResync) subscription.deliver(gatewayEvents.resync(`session:${subscription.deviceSessionId}`, positions.latest));
  }
}
