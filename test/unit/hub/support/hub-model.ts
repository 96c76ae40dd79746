import type { EventCodec } from "../../../../src/hub/sink.ts";
import { HEARTBEAT_MS } from "./hub-fixture.ts";
import {
  type Audience,
  BOUNDS,
  concerns,
  HUGE,
  isFor,
  type Message,
  ModelPoll,
  ModelStream,
  type Published,
  type RevocationTarget,
  type Session,
  SMALL,
  userOf,
} from "./model-stream.ts";

/**
 * A simple model of the hub, built from arrays and linear scans. Sizes are in units of `LARGE_BYTES`. Each size bound lies far from every sum
 * of sizes that can occur, so that the overhead of small events never decides.
 */

export interface Registration {
  readonly session: Session;
  readonly codec: EventCodec;
  readonly client: "fast" | "slow" | "disconnected" | "poll";
  /** Maximum number of events of a poll. */
  readonly eventsMax: number;
  /** The number of revocations and gaps before the session was looked up. */
  readonly mark: number;
  /** The last received message; "unknown" for an id that was never sent. */
  readonly resumeAfter: Message | "unknown" | undefined;
  /** The random part of the stream's age, from 0 to 1. */
  readonly ageFraction: number;
}

export class HubModel {
  /** All streams, including those that have ended. */
  readonly streams: ModelStream[] = [];
  nowMs = 0;
  readonly #revocations: (RevocationTarget | "gap")[] = [];
  readonly #published: Published[] = [];
  #count = 0;
  /** The events in the history, oldest first. */
  readonly #history: Published[] = [];
  /** The number of the newest event that was evicted by age or by the total bound, or of the latest gap. */
  #evictedThrough = 0;
  #nextHeartbeatMs = HEARTBEAT_MS;
  /** Of each poll: the first message of its answer, if the answer has events. */
  readonly #pollStarts = new Map<ModelPoll, Pick<Message, "text" | "coversThrough">>();

  get mark(): number {
    return this.#revocations.length;
  }

  get open(): ModelStream[] {
    return this.streams.filter(({ ended }) => ended === undefined);
  }

  /** The stream or poll, or the reason of the refusal. */
  register(registration: Registration): ModelStream | string {
    const { session, mark, resumeAfter } = registration;
    const refusal = this.#refusalOf(session, mark);
    if (refusal !== undefined) return refusal;
    const stream = this.#open(registration);
    this.streams.push(stream);
    const missed = resumeAfter === undefined ? undefined : this.#missedSince(resumeAfter, session);
    const coversThrough = resumeAfter === undefined ? this.#count : missed?.coversThrough;
    const text = `server_time session:${session} ${missed === undefined ? "fresh" : "resumed"}`;
    if (stream instanceof ModelPoll) this.#pollStarts.set(stream, { text, coversThrough });
    else stream.deliver(this.#gatewayMessage(text, coversThrough));
    for (const event of missed?.events ?? []) stream.deliver(messageOf(event));
    if (resumeAfter !== undefined && missed === undefined)
      stream.deliver(this.#gatewayMessage(`resync session:${session}`, this.#count));
    return stream;
  }

  #open({ session, codec, client, ageFraction, eventsMax }: Registration): ModelStream {
    if (client === "poll") return new ModelPoll({ session, codec }, eventsMax);
    const expiresAtMs = this.nowMs + BOUNDS.streamAgeMs * (0.9 + 0.2 * ageFraction);
    const stream = new ModelStream({ session, codec, isBlocked: client === "slow", expiresAtMs });
    if (client === "disconnected") stream.end("client");
    return stream;
  }

  /** Ends a poll. Returns the reason of the refusal; `undefined` if the answer is in `written`. */
  answer(poll: ModelPoll): string | undefined {
    const { text = "", coversThrough } = this.#pollStarts.get(poll) ?? {};
    return poll.answer(this.#gatewayMessage(text, poll.isEmpty ? this.#count : coversThrough));
  }

  publish(audience: Audience, size: number): number {
    const event = { n: ++this.#count, audience, size, atMs: this.nowMs, isListed: true, isStored: size !== HUGE };
    this.#published.push(event);
    for (const stream of this.open) if (isFor(audience, stream.session)) stream.deliver(messageOf(event));
    this.#store(event);
    return event.n;
  }

  /** An event that cannot be delivered. */
  loseEvent(audience: Audience): void {
    const lost = { n: ++this.#count, audience, size: HUGE, atMs: this.nowMs, isListed: true, isStored: false };
    this.#published.push(lost);
    this.#store(lost);
    const resync = this.#gatewayMessage(`resync ${audience}`, this.#count);
    for (const stream of this.open) if (isFor(audience, stream.session)) stream.deliver(resync);
  }

  /** Returns the number of streams that end. */
  revoke(target: RevocationTarget): number {
    this.#revocations.push(target);
    const concerned = this.open.filter(({ session }) => concerns(target, session));
    for (const stream of concerned) stream.end("SESSION_REVOKED");
    return concerned.length;
  }

  gap(): void {
    this.#revocations.push("gap");
    while (this.#history.length > 0) this.#evict(this.#history[0]);
    this.#evictedThrough = ++this.#count;
    for (const stream of this.open) stream.deliver(this.#gatewayMessage("resync all", this.#count));
  }

  wait(ms: number): void {
    this.nowMs += ms;
    const isOld = (event: Published | undefined) => event !== undefined && this.nowMs - event.atMs >= BOUNDS.history.ageMs;
    while (isOld(this.#history[0])) this.#evictOldest();
    for (const stream of this.open) if (this.nowMs >= stream.expiresAtMs) stream.end("STREAM_EXPIRED");
    if (this.nowMs < this.#nextHeartbeatMs) return;
    this.#nextHeartbeatMs = this.nowMs + HEARTBEAT_MS;
    const heartbeat = this.#gatewayMessage("heartbeat all", this.#count);
    for (const stream of this.open) if (!(stream instanceof ModelPoll)) stream.deliver(heartbeat);
  }

  settle(): void {
    for (const stream of this.streams) stream.settle();
  }

  shutDown(): void {
    for (const stream of this.open) stream.end("SHUTTING_DOWN");
  }

  #refusalOf(session: Session, mark: number): string | undefined {
    const since = this.#revocations.slice(mark);
    if (since.includes("gap") || since.length > BOUNDS.revocations) return "SESSION_LOOKUP_UNAVAILABLE";
    if (since.some((target) => target !== "gap" && concerns(target, session))) return "SESSION_REVOKED";
    const openOf = (matches: (stream: ModelStream) => boolean) => this.open.filter(matches).length;
    if (openOf((stream) => stream.session === session) >= BOUNDS.streams.perSession) return "TOO_MANY_STREAMS session";
    if (openOf((stream) => userOf(stream.session) === userOf(session)) >= BOUNDS.streams.perUser)
      return "TOO_MANY_STREAMS user";
    return undefined;
  }

  /** All later events; `undefined` if any of them may be missing. */
  #missedSince(message: Message | "unknown", session: Session) {
    if (message === "unknown") return undefined;
    const { published } = message;
    const isKnown = published === undefined || (published.isListed && isFor(published.audience, session));
    const coversThrough = isKnown ? (published?.n ?? message.coversThrough) : undefined;
    if (coversThrough === undefined || coversThrough < this.#evictedThrough) return undefined;
    const events = this.#published.filter(({ n, audience }) => n > coversThrough && isFor(audience, session));
    return events.every(({ isStored }) => isStored) ? { coversThrough, events } : undefined;
  }

  #store(event: Published): void {
    const { events, large, totalLarge } = BOUNDS.history;
    this.#history.push(event);
    const own = () => this.#history.filter(({ audience }) => audience === event.audience);
    while (own().length > events || storedSize(own()) > large) this.#evict(own()[0]);
    while (storedSize(this.#history) > totalLarge) this.#evictOldest();
  }

  #evictOldest(): void {
    this.#evictedThrough = this.#history[0]?.n ?? 0;
    this.#evict(this.#history[0]);
  }

  #evict(event: Published | undefined): void {
    if (event === undefined) return;
    event.isListed = false;
    event.isStored = false;
    this.#history.splice(this.#history.indexOf(event), 1);
  }

  #gatewayMessage(typeAndAudience: string, coversThrough: number | undefined): Message {
    return { text: `gateway.${typeAndAudience} at ${this.nowMs}`, size: SMALL, coversThrough };
  }
}

/** An event that is not stored counts as an entry of size 0. */
function storedSize(history: readonly Published[]): number {
  return history.reduce((sum, { size, isStored }) => sum + (isStored ? size : 0), 0);
}

function messageOf(published: Published): Message {
  const { n, audience, size, atMs } = published;
  return { text: `chat.message ${audience} #${n} at ${atMs}`, size, coversThrough: undefined, published };
}
