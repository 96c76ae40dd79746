import { base64Encode } from "@bufbuild/protobuf/wire";
import type { EventEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";
import { RecentMap } from "./recent-map.ts";

/** Minimum number of remembered events. A remembered event uses a few hundred bytes. */
const EVENTS_MIN = 4096;
/**
 * Maximum assumed difference between the clocks of two gateways, in ms. If a gateway's clock is slow, a new event can have a
 * timestamp before the start of the stream, by at most this difference.
 */
const CLOCK_SKEW_MS = 60_000;

/**
 * Remembers the events that the client has delivered to the app, in all of its streams.
 *
 * A signed event is valid in every stream of its audience. A man in the middle could therefore replay it in a later stream.
 * Such a replay is dropped: proto/client.md, "What a client checks".
 */
export class EventDeduplicator {
  readonly #orderByContent = new RecentMap<number>(EVENTS_MIN);
  readonly #orderById = new RecentMap<number>(EVENTS_MIN);
  #count = 0;

  /**
   * Returns the filter of a new stream. Call it before the stream is requested.
   * - Without `resumeAfter`, the filter drops all events that were delivered before this call.
   * - With `resumeAfter`, the filter drops the delivered events up to and including the event with this id. It accepts later
   *   events, even if they were already delivered, because the gateway sends them again.
   */
  openStream(resumeAfter: string | undefined): StreamFilter {
    const lastDropped = resumeAfter === undefined ? this.#count : (this.#orderById.get(resumeAfter) ?? 0);
    return new StreamFilter(this, lastDropped);
  }

  /**
   * Returns the place of an event in the order of delivery, from 1. Returns `undefined` if the event is not remembered.
   * `content` consists of the audience, the type, the payload hash and the id of the event.
   */
  orderOf(content: string): number | undefined {
    return this.#orderByContent.get(content);
  }

  add(eventId: string, content: string): void {
    this.#count++;
    this.#orderByContent.set(content, this.#count);
    this.#orderById.set(eventId, this.#count);
  }
}

/** Drops replayed events in one stream. If an event arrives in several open streams, each of them delivers it once. */
export class StreamFilter {
  readonly #deduplicator: EventDeduplicator;
  readonly #lastDropped: number;
  readonly #inThisStream = new RecentMap<true>(EVENTS_MIN);
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(deduplicator: EventDeduplicator, lastDropped: number) {
    this.#deduplicator = deduplicator;
    this.#lastDropped = lastDropped;
  }

  /**
   * Sets the start time of the stream, by the gateway's clock. The filter then drops events that are older than this time minus
   * `CLOCK_SKEW_MS`. Do not call this method for a stream that resumes.
   */
  startAt(serverTimeMs: number): void {
    this.#notBeforeMs = serverTimeMs - CLOCK_SKEW_MS;
  }

  /**
   * Returns true if a verified event is not a replay. In this case, records the event as delivered: the caller must deliver it.
   */
  accept({ eventId, eventType, audience, timestampMs, payloadHash }: EventEnvelope): boolean {
    const content = `${audience} ${eventType} ${base64Encode(payloadHash)} ${eventId}`;
    const isReplay = (this.#deduplicator.orderOf(content) ?? Number.POSITIVE_INFINITY) <= this.#lastDropped;
    if (isReplay || Number(timestampMs) < this.#notBeforeMs || this.#inThisStream.get(content)) return false;
    this.#inThisStream.set(content, true);
    this.#deduplicator.add(eventId, content);
    return true;
  }
}
