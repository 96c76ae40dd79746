import type { CounterName, GaugeName, HistogramName } from "./metric-table.ts";

/**
 * What the gateway's core asks of the world around it. Each port is small and says what an implementer must promise; each
 * has one contract suite under test/contract/, run on every implementation.
 */

/** Who is at the other end of the connection. */
export interface Peer {
  /** The client's own address: an IPv4 address, or the canonical text of an IPv6 address. */
  readonly address: string;
  /** What budgets are counted against: the IPv4 address, or the /64 of an IPv6 address, since one client has all of it. */
  readonly network: string;
}

/** A device's public key, ready to verify with. */
export interface VerifyingKey {
  /** Whether `signature` (64 bytes) is this key's strict RFC 8032 Ed25519 signature of `message`. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** One of the gateway's own keys. */
export interface Signer {
  /** RFC 7638 thumbprint of the public key, base64url. */
  readonly keyId: string;
  /** The 64 bytes of an Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** A device session, as the backend tells it. */
export interface Session {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly status: "active" | "revoked";
  readonly key: VerifyingKey;
}

/** An answer of the session directory. */
export interface FoundSession {
  readonly session: Session;
  /** The revocation log's mark up to which this answer is known to hold; see `RevocationLog.revokedSince`. */
  readonly mark: number;
}

/**
 * Knows the device sessions.
 *
 * `find` returns the session (active or revoked), `undefined` if the backend knows none, or throws `SESSION_LOOKUP_UNAVAILABLE` if
 * that cannot be determined. A revocation wins every race: once `Revocations.revoke` has returned, no `find` answers from before it, nor
 * from a look-up that began before it.
 */
export interface SessionDirectory {
  find(deviceSessionId: string): FoundSession | undefined | Promise<FoundSession | undefined>;
}

/** Where the session directory looks sessions up; the backend. `undefined`: no such session. Throws when it cannot say. */
export interface SessionSource {
  lookUp(deviceSessionId: string): Promise<Session | undefined>;
}

/**
 * Remembers which requests a session has made.
 *
 * `reserve` is atomic: of any number of concurrent calls with the same key, exactly one resolves to `true`, on one host or on
 * many. A reservation is never forgotten before `expiresAtMs` (Unix milliseconds); a store that is full or out of reach
 * refuses (`REPLAY_STORE_UNAVAILABLE`).
 */
export interface ReplayStore {
  reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): boolean | Promise<boolean>;
}

/** Whom a budget belongs to. The scope of a RATE_LIMITED refusal, in which `session_failures` are `failures` too. */
export type BudgetScope =
  | "ip"
  | "session"
  | "user"
  | "message_type"
  | "failures"
  | "session_failures"
  | "public_class"
  | "public_identity";

/** How a token bucket fills: `burst` tokens at most, `ratePerSecond` new ones every second. Both above 0. */
export interface Budget {
  readonly ratePerSecond: number;
  readonly burst: number;
  /** Spent and reported like any other, but refuses nobody. */
  readonly shadow?: boolean | undefined;
}

/** One token, asked of one bucket. */
export interface BucketDemand {
  readonly scope: BudgetScope;
  /** Whose bucket it is within the scope. */
  readonly key: string;
  readonly budget: Budget;
}

/** `true`: every bucket gave its token. */
export type TakeOutcome = true | TakeRefusal;

/** Which scope refused first, and when all of them would have a token. */
export interface TakeRefusal {
  readonly refusedBy: BudgetScope;
  readonly retryAfterMs: number;
  /** Why, where it is not for want of tokens. */
  readonly cause?: unknown;
}

/**
 * Token buckets.
 *
 * `take` is atomic and all or nothing: either every demand is met by one token, or no bucket changes. A bucket that was never
 * seen is full. Demands in shadow mode are met where the others are, each for itself; of one that has no token, `onShadowRefusal` is told,
 * and nobody is refused. `spend` takes a token, where there is one, for what has happened already; of several buckets, each by itself. `check` says whether the bucket has
 * that many tokens (1 by default), takes nothing, and answers at once. All are on the caller's clock. A store without room for a new
 * bucket answers conservatively: it never forgets a bucket that is not yet full again.
 */
export interface BucketStore {
  take(
    demands: readonly BucketDemand[],
    nowMs: number,
    onShadowRefusal?: (scope: BudgetScope) => void,
  ): TakeOutcome | Promise<TakeOutcome>;
  spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): void | Promise<void>;
  check(demand: BucketDemand, nowMs: number, tokens?: number): TakeOutcome;
}

/**
 * Remembers which session has lately verified from which address, so that a failure budget emptied by one client does not lock out
 * its neighbours behind the same address. Bounded; may forget early, never late.
 */
export interface VerifiedPeers {
  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void;
  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean;
  /** Whether any session has verified from there. */
  hasAny(peerNetwork: string, nowMs: number): boolean;
}

/** Whose sessions end: one session where `deviceSessionId` is given, else every session of the user. */
export interface Revocation {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
}

/** The headers of W3C Trace Context as a client sent them; nothing of them is checked. */
export interface IncomingTrace {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** The headers of W3C Trace Context for a call of the gateway's own: valid, and safe to send. */
export interface OutgoingTrace {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/** Continues a valid trace, or begins one. */
export type ContinueTrace = (incoming: IncomingTrace) => OutgoingTrace;

/** A command that passed every check, on its way to the backend. */
export interface BackendCommand extends IncomingTrace {
  readonly messageType: string;
  readonly requestId: string;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly payloadBytes: Uint8Array;
  readonly peerAddress: string;
  /** The client's own headers that are passed on, where it sent them. */
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}

/** What the backend answered: the result code to sign, and the bytes of its body as they came. */
export interface BackendReply {
  readonly resultCode: string;
  readonly payloadBytes: Uint8Array;
}

/** The backend call that serves one message type. */
export interface Route {
  /** The route's own budget for each user, if it has one. */
  readonly budget: Budget | undefined;
  /**
   * Calls the backend. Throws PAYLOAD_INVALID, BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE, and ends soon after
   * `signal`. Nothing is sent before `mayBeSent` returns; a refusal that it throws is thrown.
   */
  execute(command: BackendCommand, signal: AbortSignal, mayBeSent: SendCheck): Promise<BackendReply>;
}

/** The application behind the gateway. */
export interface Backend {
  /** The route of a message type, resolved once per request; `undefined` if there is none. */
  route(messageType: string): Route | undefined;
}

/** Asked when a call is about to be sent. `waited`: it stood in line since it was asked for. Throws what the call is refused with. */
export type SendCheck = (waited: boolean) => void | Promise<void>;

/** An event as the backend sent it. Exactly one of `userId` and `deviceSessionId` decides the audience; the latter wins. */
export interface ClientEvent {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly eventType: string;
  /** Empty: the gateway makes one. */
  readonly eventId: string;
  readonly payloadBytes: Uint8Array;
}

/** For whom an event is: one session where that is given, else all streams of the user. */
export type ClientAudience = Pick<ClientEvent, "userId" | "deviceSessionId">;

/** What was lost; an event, where nothing is said. */
export type LostKind = "event" | "revocation";

/** Where the push feed delivers, in the order of the feed, one at a time. */
export interface PushFeedSink {
  event(event: ClientEvent): void;
  /** Something for these came that cannot be used: they fetch their state anew. A lost revocation also means to look their sessions up anew. */
  lost(audience: ClientAudience, what?: LostKind): void;
  revoke(revocation: Revocation): void;
  /** What lay between the last event and the next is lost. */
  gap(): void;
}

/** A counter, gauge or histogram's one label set, as `name="value"` pairs. */
export type Labels = Readonly<Record<string, string>>;

/** Where measurements go. The names are those of core/metric-table.ts. */
export interface Metrics {
  count(name: CounterName, labels?: Labels, by?: number): void;
  gauge(name: GaugeName, value: number, labels?: Labels): void;
  /** Adds one observation, in the histogram's own unit (seconds for durations). */
  observe(name: HistogramName, value: number, labels?: Labels): void;
}

/** Fields of a log line. Values are printed as JSON; what is undefined is left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured logs, one line an entry. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** The backend's answer to a public call, to be passed on as it is. */
export interface PublicAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Seconds, where the backend gave them. */
  readonly retryAfter: string | undefined;
}

/**
 * The backend's calls that need no session (proto/README.md, "Public REST"). `forward` gives a 2xx or 4xx with a JSON body; it throws
 * BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE.
 */
export interface PublicBackend {
  forward(path: string, body: object, call: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer>;
}

/** What of the client's request goes along with a public call. */
export interface PublicCallContext extends IncomingTrace {
  readonly peerAddress: string;
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}
