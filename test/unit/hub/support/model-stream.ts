import { WRITE_AHEAD_BYTES } from "../../../../src/hub/outbox.ts";
import type { EventCodec } from "../../../../src/hub/sink.ts";

/** The streams of the hub's model (`HubModel`), and what they consist of. */

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
  poll: { large: 2.5 },
} as const;

export const SESSIONS = ["s-0", "s-1", "s-2", "s-3"] as const;
export type Session = (typeof SESSIONS)[number];
export const USERS = ["u-0", "u-1"] as const;
export type User = (typeof USERS)[number];
export const userOf = (session: Session): User => (session === "s-0" || session === "s-2" ? "u-0" : "u-1");
export type Audience = `session:${Session}` | `user:${User}`;
export const isFor = (audience: Audience, session: Session) =>
  audience === `session:${session}` || audience === `user:${userOf(session)}`;

export type RevocationTarget = { readonly deviceSessionId: Session } | { readonly userId: User };
export const concerns = (target: RevocationTarget, session: Session) =>
  "userId" in target ? target.userId === userOf(session) : target.deviceSessionId === session;

/** A numbered event of the backend. A lost event has a number too. */
export interface Published {
  /** Increases with every event and every gap. */
  readonly n: number;
  readonly audience: Audience;
  readonly size: number;
  readonly atMs: number;
  /** Whether the history has an entry for it. An entry holds its id. */
  isListed: boolean;
  /** Whether the history holds the event itself, which may be too large to store. */
  isStored: boolean;
}

/** One message of a stream. */
export interface Message {
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
  protected readonly codecFactor: number;
  #unread = 0;
  #outbox: Message[] = [];

  constructor({ session, codec, isBlocked, expiresAtMs }: StreamParts) {
    this.session = session;
    this.expiresAtMs = expiresAtMs;
    this.isBlocked = isBlocked;
    // JSON encodes the payload in base64.
    this.codecFactor = codec === "json" ? 4 / 3 : 1;
  }

  /** Writes until one large event is unread, then queues. The stream ends if the outbox exceeds its bounds. */
  deliver(message: Message): void {
    if (this.ended !== undefined) return;
    const unreadAfter = [...this.#outbox, message].reduce((sum, { size }) => sum + size * this.codecFactor, this.#unread);
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

  /** Whether its client can still do something with it. */
  get isAtClient(): boolean {
    return this.ended === undefined;
  }

  end(reason: string): void {
    this.ended ??= reason;
  }

  #write(message: Message | undefined): void {
    if (message === undefined) return;
    this.written.push(message);
    if (this.isBlocked) this.#unread += message.size * this.codecFactor;
  }
}

/** A poll: what it collected, and what its answer contains. */
export class ModelPoll extends ModelStream {
  readonly #eventsMax: number;
  readonly #collected: Message[] = [];
  #isFull = false;
  #isAnswered = false;

  constructor(parts: Pick<StreamParts, "session" | "codec">, eventsMax: number) {
    super({ ...parts, isBlocked: false, expiresAtMs: Number.POSITIVE_INFINITY });
    this.#eventsMax = eventsMax;
  }

  override get isAtClient(): boolean {
    return !this.#isAnswered && this.ended !== "client";
  }

  get isEmpty(): boolean {
    return this.#collected.length === 0;
  }

  /** Collects until an event does not fit. The first event always fits. */
  override deliver(message: Message): void {
    if (this.ended !== undefined || this.#isFull) return;
    const sizeAfter = [...this.#collected, message].reduce((sum, { size }) => sum + size * this.codecFactor, 0);
    const fits = this.isEmpty || (this.#collected.length < this.#eventsMax && sizeAfter <= BOUNDS.poll.large);
    if (fits) this.#collected.push(message);
    else this.#isFull = true;
  }

  /** Ends the poll. Returns the reason of the refusal; `undefined` if the client gets `first` and the collected events. */
  answer(first: Message): string | undefined {
    this.#isAnswered = true;
    const isRefused = this.ended === "SESSION_REVOKED" || (this.ended !== undefined && this.isEmpty);
    if (isRefused) return this.ended;
    this.ended ??= "answered";
    this.written.push(first, ...this.#collected);
    return undefined;
  }
}
