import { base64Encode } from "@bufbuild/protobuf/wire";
import type { EventEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";
import { RecentMap } from "./recent-map.ts";

/** An entry takes some hundred bytes. */
const EVENTS_MIN = 4096;
/** How far the clocks of several gateways may differ, and with them the timestamps of the events in one stream. */
const CLOCK_SKEW_MS = 60_000;

/**
 * Remembers the events that a client has delivered, over all of its streams.
 *
 * A signed event is valid in every stream of its audience. A man in the middle could therefore replay it in a later stream. Such a replay is
 * dropped: proto/README.md, "What a client checks".
 */
export class EventDeduplicator {
  readonly #orderByContent = new RecentMap<number>(EVENTS_MIN);
  readonly #orderById = new RecentMap<number>(EVENTS_MIN);
  #count = 0;

  /**
   * Call it before the stream is requested. The new stream drops every event delivered up to now. A stream that resumes drops only the
   * events up to `resumeAfter`: the gateway sends the later ones again on purpose.
   */
  openStream(resumeAfter: string | undefined): StreamFilter {
    const lastDropped = resumeAfter === undefined ? this.#count : (this.#orderById.get(resumeAfter) ?? 0);
    return new StreamFilter(this, lastDropped);
  }

  /** The event's number in the order of delivery, from 1; `undefined` if it is not remembered. */
  orderOf(content: string): number | undefined {
    return this.#orderByContent.get(content);
  }

  add(eventId: string, content: string): void {
    this.#count++;
    this.#orderByContent.set(content, this.#count);
    this.#orderById.set(eventId, this.#count);
  }
}

/** Drops the replays in one stream. Streams that are open at the same time each deliver the same events once. */
export class StreamFilter {
  readonly #deduplicator: EventDeduplicator;
  readonly #lastDropped: number;
  readonly #inThisStream = new RecentMap<true>(EVENTS_MIN);
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(deduplicator: EventDeduplicator, lastDropped: number) {
    this.#deduplicator = deduplicator;
    this.#lastDropped = lastDropped;
  }

  /** For a stream that does not resume: it carries no event that is older than its start, `serverTimeMs` by the gateway's clock. */
  startAt(serverTimeMs: number): void {
    this.#notBeforeMs = serverTimeMs - CLOCK_SKEW_MS;
  }

  /** Returns whether to deliver a verified event, and records it as delivered. */
  accept({ eventId, eventType, audience, timestampMs, payloadHash }: EventEnvelope): boolean {
    const content = `${audience} ${eventType} ${base64Encode(payloadHash)} ${eventId}`;
    const isReplay = (this.#deduplicator.orderOf(content) ?? Number.POSITIVE_INFINITY) <= this.#lastDropped;
    if (isReplay || Number(timestampMs) < this.#notBeforeMs || this.#inThisStream.get(content)) return false;
    this.#inThisStream.set(content, true);
    this.#deduplicator.add(eventId, content);
    return true;
  }
}
