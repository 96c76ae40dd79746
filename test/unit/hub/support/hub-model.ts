import { WRITE_AHEAD_BYTES } from "../../../../src/hub/outbox.ts";
import type { EventCodec } from "../../../../src/hub/sink.ts";
import { HEARTBEAT_MS } from "./hub-fixture.ts";

/**
 * A simple model of the hub, built from arrays and linear scans. Sizes are in units of `LARGE_BYTES`. Each size bound lies far from every sum
 * of sizes that can occur, so that the overhead of small events never decides.
 */

export const LARGE_BYTES = WRITE_AHEAD_BYTES;
export const SMALL = 0;
export const LARGE = 1;
/** Larger than a replay buffer and larger than an outbox. */
export const HUGE = 4;

export const BOUNDS = {
  outbox: { messages: 12, large: 3.5 },
  history: { events: 6, large: 3.5, totalLarge: 4.5, ageMs: 60_000 },
  streams: { perSession: 3, perUser: 4 },
  revocations: 4,
  streamAgeMs: 100_000,
} as const;

export const SESSIONS = ["s-0", "s-1", "s-2", "s-3"] as const;
export type Session = (typeof SESSIONS)[number];
export const USERS = ["u-0", "u-1"] as const;
export type User = (typeof USERS)[number];
export const userOf = (session: Session): User => (session === "s-0" || session === "s-2" ? "u-0" : "u-1");
export type Audience = `session:${Session}` | `user:${User}`;
const isFor = (audience: Audience, session: Session) =>
  audience === `session:${session}` || audience === `user:${userOf(session)}`;

export type RevocationTarget = { readonly deviceSessionId: Session } | { readonly userId: User };
const concerns = (target: RevocationTarget, session: Session) =>
  "userId" in target ? target.userId === userOf(session) : target.deviceSessionId === session;

/** A numbered event of the backend. A lost event has a number too. */
interface Published {
  /** Increases with every event and every gap. */
  readonly n: number;
  readonly audience: Audience;
  readonly size: number;
  readonly atMs: number;
  /** Whether the history holds it. */
  isStored: boolean;
}

/** One message of a stream. */
interface Message {
  readonly text: string;
  readonly size: number;
  /** Of the gateway's own messages: the receiver has every event up to this number; `undefined` if no stream can resume after it. */
  readonly coversThrough: number | undefined;
  readonly published?: Published;
}

export interface StreamParts {
  readonly session: Session;
  readonly codec: EventCodec;
  /** Whether its client does not read. */
  readonly isBlocked: boolean;
  readonly expiresAtMs: number;
}

/** A stream, its written messages and its outbox. */
export class ModelStream {
  readonly session: Session;
  readonly expiresAtMs: number;
  readonly written: Message[] = [];
  ended: string | undefined;
  isBlocked: boolean;
  readonly #codecFactor: number;
  #unread = 0;
  #outbox: Message[] = [];

  constructor({ session, codec, isBlocked, expiresAtMs }: StreamParts) {
    this.session = session;
    this.expiresAtMs = expiresAtMs;
    this.isBlocked = isBlocked;
    // JSON encodes the payload in base64.
    this.#codecFactor = codec === "json" ? 4 / 3 : 1;
  }

  /** Writes until one large event is unread, then queues. The stream ends if the outbox exceeds its bounds. */
  deliver(message: Message): void {
    if (this.ended !== undefined) return;
    const unreadAfter = [...this.#outbox, message].reduce((sum, { size }) => sum + size * this.#codecFactor, this.#unread);
    if (this.#outbox.length === 0 && this.#unread < LARGE) this.#write(message);
    else if (unreadAfter > BOUNDS.outbox.large || this.#outbox.length >= BOUNDS.outbox.messages) this.end("SLOW_CONSUMER");
    else this.#outbox.push(message);
  }

  /** The client reads all written messages. The outbox is written by `settle`. */
  readOnce(): void {
    this.#unread = 0;
  }

  /** Writes from the outbox, as the hub does in a microtask. */
  settle(): void {
    if (this.ended !== undefined) return;
    while (this.#unread < LARGE && this.#outbox.length > 0) this.#write(this.#outbox.shift());
  }

  end(reason: string): void {
    this.ended ??= reason;
  }

  #write(message: Message | undefined): void {
    if (message === undefined) return;
    this.written.push(message);
    if (this.isBlocked) this.#unread += message.size * this.#codecFactor;
  }
}

export interface Registration {
  readonly session: Session;
  readonly codec: EventCodec;
  readonly client: "fast" | "slow" | "disconnected";
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

  get mark(): number {
    return this.#revocations.length;
  }

  get open(): ModelStream[] {
    return this.streams.filter(({ ended }) => ended === undefined);
  }

  /** The stream, or the reason of the refusal. */
  register({ session, codec, client, mark, resumeAfter, ageFraction }: Registration): ModelStream | string {
    const refusal = this.#refusalOf(session, mark);
    if (refusal !== undefined) return refusal;
    const expiresAtMs = this.nowMs + BOUNDS.streamAgeMs * (0.9 + 0.2 * ageFraction);
    const stream = new ModelStream({ session, codec, isBlocked: client === "slow", expiresAtMs });
    if (client === "disconnected") stream.end("client");
    this.streams.push(stream);
    const missed = resumeAfter === undefined ? undefined : this.#missedSince(resumeAfter, session);
    const coversThrough = resumeAfter === undefined ? this.#count : missed?.coversThrough;
    const mode = missed === undefined ? "fresh" : "resumed";
    stream.deliver(this.#gatewayMessage(`server_time session:${session} ${mode}`, coversThrough));
    for (const event of missed?.events ?? []) stream.deliver(messageOf(event));
    if (resumeAfter !== undefined && missed === undefined)
      stream.deliver(this.#gatewayMessage(`resync session:${session}`, this.#count));
    return stream;
  }

  publish(audience: Audience, size: number): number {
    const event = { n: ++this.#count, audience, size, atMs: this.nowMs, isStored: size !== HUGE };
    this.#published.push(event);
    for (const stream of this.open) if (isFor(audience, stream.session)) stream.deliver(messageOf(event));
    this.#store(event);
    return event.n;
  }

  /** An event that cannot be delivered. */
  loseEvent(audience: Audience): void {
    const lost = { n: ++this.#count, audience, size: HUGE, atMs: this.nowMs, isStored: false };
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
    for (const event of this.#history.splice(0)) event.isStored = false;
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
    for (const stream of this.open) stream.deliver(this.#gatewayMessage("heartbeat all", this.#count));
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
    const isKnown = published === undefined || (published.isStored && isFor(published.audience, session));
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
