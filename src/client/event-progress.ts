import { base64Encode } from "@bufbuild/protobuf/wire";
import { member, numberMember } from "./json.ts";
import { RecentMap } from "./recent-map.ts";
import type { StreamPosition, SubscriptionEvent } from "./subscription-event.ts";
import type { VerifiedEvent } from "./verify.ts";

/** Minimum number of remembered events. */
const EVENTS_MIN = 4096;
/**
 * An event is dropped if it is older than both the position and the start of the stream, by more than this number of ms.
 *
 * A wrongly dropped event is lost. So the number is much larger than the difference between the clocks of two gateways.
 */
const OLDER_MS_MAX = 10 * 60_000;

/**
 * Keeps the position of one subscription, for all its streams, transports and gateways. Decides which events are new.
 *
 * An event can arrive again: the gateway repeats it, or a proxy replays it from another stream. These events are dropped:
 * - an event that was accepted before;
 * - if the subscription has a position, an event that is much older than both the position and the start of the stream.
 */
export class EventProgress {
  readonly #received = new RecentMap<true>(EVENTS_MIN);
  readonly #receivedIds = new RecentMap<true>(EVENTS_MIN);
  #position: StreamPosition | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  /**
   * The first event of a stream that did not resume. It is set until the resync is delivered. Until then, the position does not
   * move.
   */
  #unresumed: VerifiedEvent | undefined;

  constructor(start?: StreamPosition) {
    this.#position = start;
    if (start !== undefined) this.#receivedIds.set(start.eventId, true);
  }

  /** The last accepted event. `undefined` before the first one. */
  get position(): StreamPosition | undefined {
    return this.#position;
  }

  /** Returns true if an event with this id was accepted, or if it is the event after which the subscription started. */
  hasReceived(eventId: string): boolean {
    return this.#receivedIds.get(eventId) ?? false;
  }

  /**
   * Call this before each stream. Discards the resync that the last stream did not deliver, if any. No event is lost, because
   * the new stream resumes from the same position.
   */
  beginStream(): void {
    this.#unresumed = undefined;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Takes the next event of the stream. Returns the events to deliver:
   * - `undefined` if the event is a duplicate or a replay.
   * - An empty list for the first event of a stream that did not resume.
   * - A resync, then the event, for the second event of a stream that did not resume. If this event is itself a resync, only the
   *   event.
   * - Only the event, in all other cases.
   */
  accept(event: VerifiedEvent): SubscriptionEvent[] | undefined {
    const content = contentOf(event);
    if (this.#received.get(content) || event.timestampMs < this.#notBeforeMs) return undefined;
    this.#received.set(content, true);
    if (event.eventType === "gateway.server_time" && this.#startsUnresumed(event)) return [];
    const before = this.#unresumed;
    this.#unresumed = undefined;
    this.#position = { eventId: event.eventId, timestampMs: event.timestampMs };
    this.#receivedIds.set(event.eventId, true);
    const accepted = { ...event, kind: kindOf(event) };
    // A proxy can drop the event `gateway.resync`. So the signed `resumed: false` of the first event also causes a resync.
    return before === undefined || accepted.kind === "resync" ? [accepted] : [{ ...before, kind: "resync" }, accepted];
  }

  /** Takes over an event that another tab accepted. Returns false if this tab accepted the event before. */
  adopt(event: SubscriptionEvent): boolean {
    const content = contentOf(event);
    if (this.#received.get(content)) return false;
    this.#received.set(content, true);
    this.#receivedIds.set(event.eventId, true);
    this.#position = { eventId: event.eventId, timestampMs: event.timestampMs };
    return true;
  }

  /** Sets the position of a subscription that needs no earlier events. */
  startAt(position: StreamPosition): void {
    this.#position = position;
    this.#receivedIds.set(position.eventId, true);
  }

  /** Returns true if the first event of a stream says that events since the position may be lost. */
  #startsUnresumed(first: VerifiedEvent): boolean {
    if (this.#position === undefined) return false;
    const { timestampMs = Number.NEGATIVE_INFINITY } = this.#position;
    const serverTimeMs = numberMember(first.payload, "server_time_ms") ?? first.timestampMs;
    this.#notBeforeMs = Math.min(timestampMs, serverTimeMs) - OLDER_MS_MAX;
    if (member(first.payload, "resumed") === true) return false;
    this.#unresumed = first;
    return true;
  }
}

function kindOf({ eventType }: VerifiedEvent): SubscriptionEvent["kind"] {
  if (eventType === "gateway.resync") return "resync";
  return eventType.startsWith("gateway.") ? "gateway" : "event";
}

function contentOf({ eventId, eventType, audience, evidence }: VerifiedEvent): string {
  return `${audience} ${eventType} ${base64Encode(evidence.payloadHash)} ${eventId}`;
}
