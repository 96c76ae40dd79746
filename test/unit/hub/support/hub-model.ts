import { WRITE_AHEAD_BYTES } from "../../../../src/hub/outbox.ts";
import type { EventCodec } from "../../../../src/hub/sink.ts";
import { HEARTBEAT_MS } from "./setting.ts";

/**
 * What a hub promises, as plainly as it can be said: lists that are gone through from one end to the other. Payloads are counted in large
 * ones: what a small event takes never tips a bound, which all lie half a large one from the next sum that can occur.
 */

export const LARGE_BYTES = WRITE_AHEAD_BYTES;
export const SMALL = 0;
export const LARGE = 1;
/** Too large to be remembered, and enough to be slow by. */
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

export type Whom = { readonly deviceSessionId: Session } | { readonly userId: User };
const concerns = (whom: Whom, session: Session) =>
  "userId" in whom ? whom.userId === userOf(session) : whom.deviceSessionId === session;

/** An event of the backend, numbered; what is lost has a number too. */
interface Published {
  readonly n: number;
  readonly audience: Audience;
  readonly size: number;
  readonly atMs: number;
  isRemembered: boolean;
}

/** One message of a stream. */
interface Message {
  readonly text: string;
  readonly size: number;
  /** Up to which number whoever has this has everything: of the gateway's own messages; `undefined` where nobody can say. */
  readonly through: number | undefined;
  readonly published?: Published;
}

export interface StreamParts {
  readonly session: Session;
  readonly codec: EventCodec;
  /** Whether its client reads from the beginning on. */
  readonly isSlow: boolean;
  readonly expiresAtMs: number;
}

/** A stream, what has been written to it, and what waits. */
export class ModelStream {
  readonly session: Session;
  readonly expiresAtMs: number;
  readonly told: Message[] = [];
  ended: string | undefined;
  isSlow: boolean;
  readonly #largePerLarge: number;
  #unread = 0;
  #waiting: Message[] = [];

  constructor({ session, codec, isSlow, expiresAtMs }: StreamParts) {
    this.session = session;
    this.expiresAtMs = expiresAtMs;
    this.isSlow = isSlow;
    // JSON carries bytes in base64.
    this.#largePerLarge = codec === "json" ? 4 / 3 : 1;
  }

  /** What is written and unread holds one large event; the rest waits. Over its bounds the stream ends. */
  deliver(message: Message): void {
    if (this.ended !== undefined) return;
    const would = [...this.#waiting, message].reduce((sum, { size }) => sum + size * this.#largePerLarge, this.#unread);
    if (this.#waiting.length === 0 && this.#unread < LARGE) this.#write(message);
    else if (would > BOUNDS.outbox.large || this.#waiting.length >= BOUNDS.outbox.messages) this.end("SLOW_CONSUMER");
    else this.#waiting.push(message);
  }

  /** The client takes everything that was written to it; what waits is written a moment later. */
  take(): void {
    this.#unread = 0;
  }

  settle(): void {
    if (this.ended !== undefined) return;
    while (this.#unread < LARGE && this.#waiting.length > 0) this.#write(this.#waiting.shift());
  }

  end(reason: string): void {
    this.ended ??= reason;
  }

  #write(message: Message | undefined): void {
    if (message === undefined) return;
    this.told.push(message);
    if (this.isSlow) this.#unread += message.size * this.#largePerLarge;
  }
}

export interface Registration {
  readonly session: Session;
  readonly codec: EventCodec;
  readonly client: "quick" | "slow" | "gone";
  /** How many revocations and gaps there had been when the session was looked up. */
  readonly mark: number;
  /** From which message on; "unheard": from one that there never was. */
  readonly resumeAfter: Message | "unheard" | undefined;
  /** Which part of the stream's age is by luck, from 0 to 1. */
  readonly luck: number;
}

export class HubModel {
  /** Every stream that there ever was. */
  readonly streams: ModelStream[] = [];
  nowMs = 0;
  readonly #landed: (Whom | "gap")[] = [];
  readonly #published: Published[] = [];
  #count = 0;
  /** What the history holds, oldest first. */
  readonly #history: Published[] = [];
  /** The number of the newest event that was forgotten by age, for want of room for all, or in a gap. */
  #horizon = 0;
  #heartbeatAtMs = HEARTBEAT_MS;

  get mark(): number {
    return this.#landed.length;
  }

  get open(): ModelStream[] {
    return this.streams.filter(({ ended }) => ended === undefined);
  }

  /** The stream, or why there is none. */
  register({ session, codec, client, mark, resumeAfter, luck }: Registration): ModelStream | string {
    const refusal = this.#refusalOf(session, mark);
    if (refusal !== undefined) return refusal;
    const expiresAtMs = this.nowMs + BOUNDS.streamAgeMs * (0.9 + 0.2 * luck);
    const stream = new ModelStream({ session, codec, isSlow: client === "slow", expiresAtMs });
    if (client === "gone") stream.end("client");
    this.streams.push(stream);
    const missed = resumeAfter === undefined ? undefined : this.#missedSince(resumeAfter, session);
    const through = resumeAfter === undefined ? this.#count : missed?.through;
    const how = missed === undefined ? "anew" : "resumed";
    stream.deliver(this.#own(`server_time session:${session} ${how}`, through));
    for (const event of missed?.events ?? []) stream.deliver(messageOf(event));
    if (resumeAfter !== undefined && missed === undefined) stream.deliver(this.#own(`resync session:${session}`, this.#count));
    return stream;
  }

  publish(audience: Audience, size: number): number {
    const event = { n: ++this.#count, audience, size, atMs: this.nowMs, isRemembered: size !== HUGE };
    this.#published.push(event);
    for (const stream of this.open) if (isFor(audience, stream.session)) stream.deliver(messageOf(event));
    this.#remember(event);
    return event.n;
  }

  /** An event that nobody can be given. */
  lose(audience: Audience): void {
    const lost = { n: ++this.#count, audience, size: HUGE, atMs: this.nowMs, isRemembered: false };
    this.#published.push(lost);
    this.#remember(lost);
    const resync = this.#own(`resync ${audience}`, this.#count);
    for (const stream of this.open) if (isFor(audience, stream.session)) stream.deliver(resync);
  }

  /** Gives the number of streams that end. */
  revoke(whom: Whom): number {
    this.#landed.push(whom);
    const concerned = this.open.filter(({ session }) => concerns(whom, session));
    for (const stream of concerned) stream.end("SESSION_REVOKED");
    return concerned.length;
  }

  gap(): void {
    this.#landed.push("gap");
    for (const event of this.#history.splice(0)) event.isRemembered = false;
    this.#horizon = ++this.#count;
    for (const stream of this.open) stream.deliver(this.#own("resync all", this.#count));
  }

  wait(ms: number): void {
    this.nowMs += ms;
    const isOld = (event: Published | undefined) => event !== undefined && this.nowMs - event.atMs >= BOUNDS.history.ageMs;
    while (isOld(this.#history[0])) this.#forgetForAll();
    for (const stream of this.open) if (this.nowMs >= stream.expiresAtMs) stream.end("STREAM_EXPIRED");
    if (this.nowMs < this.#heartbeatAtMs) return;
    this.#heartbeatAtMs = this.nowMs + HEARTBEAT_MS;
    for (const stream of this.open) stream.deliver(this.#own("heartbeat all", this.#count));
  }

  settle(): void {
    for (const stream of this.streams) stream.settle();
  }

  shutDown(): void {
    for (const stream of this.open) stream.end("SHUTTING_DOWN");
  }

  #refusalOf(session: Session, mark: number): string | undefined {
    const since = this.#landed.slice(mark);
    if (since.includes("gap") || since.length > BOUNDS.revocations) return "SESSION_LOOKUP_UNAVAILABLE";
    if (since.some((whom) => whom !== "gap" && concerns(whom, session))) return "SESSION_REVOKED";
    const openOf = (isMeant: (stream: ModelStream) => boolean) => this.open.filter(isMeant).length;
    if (openOf((stream) => stream.session === session) >= BOUNDS.streams.perSession) return "TOO_MANY_STREAMS session";
    if (openOf((stream) => userOf(stream.session) === userOf(session)) >= BOUNDS.streams.perUser)
      return "TOO_MANY_STREAMS user";
    return undefined;
  }

  /** Everything since, or nothing: where any of it is forgotten, or may be. */
  #missedSince(message: Message | "unheard", session: Session) {
    if (message === "unheard") return undefined;
    const { published } = message;
    const isKnown = published === undefined || (published.isRemembered && isFor(published.audience, session));
    const through = isKnown ? (published?.n ?? message.through) : undefined;
    if (through === undefined || through < this.#horizon) return undefined;
    const events = this.#published.filter(({ n, audience }) => n > through && isFor(audience, session));
    return events.every(({ isRemembered }) => isRemembered) ? { through, events } : undefined;
  }

  #remember(event: Published): void {
    const { events, large, totalLarge } = BOUNDS.history;
    this.#history.push(event);
    const own = () => this.#history.filter(({ audience }) => audience === event.audience);
    while (own().length > events || heldIn(own()) > large) this.#forget(own()[0]);
    while (heldIn(this.#history) > totalLarge) this.#forgetForAll();
  }

  #forgetForAll(): void {
    this.#horizon = this.#history[0]?.n ?? 0;
    this.#forget(this.#history[0]);
  }

  #forget(event: Published | undefined): void {
    if (event === undefined) return;
    event.isRemembered = false;
    this.#history.splice(this.#history.indexOf(event), 1);
  }

  #own(what: string, through: number | undefined): Message {
    return { text: `gateway.${what} at ${this.nowMs}`, size: SMALL, through };
  }
}

/** Nothing is held of what is too large; that it was there takes a place all the same. */
function heldIn(history: readonly Published[]): number {
  return history.reduce((sum, { size, isRemembered }) => sum + (isRemembered ? size : 0), 0);
}

function messageOf(published: Published): Message {
  const { n, audience, size, atMs } = published;
  return { text: `chat.message ${audience} #${n} at ${atMs}`, size, through: undefined, published };
}
