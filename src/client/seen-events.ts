import { base64Encode } from "@bufbuild/protobuf/wire";
import type { EventEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";
import { Recent } from "./recent.ts";

/** Each takes some hundred bytes. */
const EVENTS_MIN = 4096;
/** How far gateways' clocks may differ, and with them the times of events in one stream. */
const CLOCK_SKEW_MS = 60_000;

/**
 * The events that a client has handed out, counted over all of its streams. A signed event is good in any stream of its audience, so whoever
 * stands between could play one again in a later stream: what has been taken in before that stream is dropped there.
 */
export class SeenEvents {
  readonly #byContent = new Recent<number>(EVENTS_MIN);
  readonly #byId = new Recent<number>(EVENTS_MIN);
  #count = 0;

  /** A stream that is about to be asked for. One that resumes brings again what the caller has not taken in. */
  open(resumeAfter: string | undefined): StreamEvents {
    const takenIn = resumeAfter === undefined ? this.#count : (this.#byId.get(resumeAfter) ?? 0);
    return new StreamEvents(this, takenIn);
  }

  /** Which of all events this one was; `undefined` where it is not remembered. */
  placeOf(content: string): number | undefined {
    return this.#byContent.get(content);
  }

  add(eventId: string, content: string): void {
    this.#count++;
    this.#byContent.set(content, this.#count);
    this.#byId.set(eventId, this.#count);
  }
}

/** What one stream brings. Streams that are open at the same time bring the same events, each once. */
export class StreamEvents {
  readonly #seen: SeenEvents;
  readonly #takenIn: number;
  readonly #own = new Recent<true>(EVENTS_MIN);
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(seen: SeenEvents, takenIn: number) {
    this.#seen = seen;
    this.#takenIn = takenIn;
  }

  /** The stream does not resume: it brings what happens from now on, by the gateway's clock. */
  beginsAt(serverTimeMs: number): void {
    this.#notBeforeMs = serverTimeMs - CLOCK_SKEW_MS;
  }

  /** Whether a verified event is to be handed out; it then counts as seen. */
  admit({ eventId, eventType, audience, timestampMs, payloadHash }: EventEnvelope): boolean {
    const content = `${audience} ${eventType} ${base64Encode(payloadHash)} ${eventId}`;
    const isTakenIn = (this.#seen.placeOf(content) ?? Number.POSITIVE_INFINITY) <= this.#takenIn;
    if (isTakenIn || Number(timestampMs) < this.#notBeforeMs || this.#own.get(content)) return false;
    this.#own.set(content, true);
    this.#seen.add(eventId, content);
    return true;
  }
}
