import type { CounterName, GaugeName, HistogramName } from "./metric-table.ts";

/**
 * The ports: what the gateway's core needs from the outside. A docstring says what an implementation must guarantee. `SessionDirectory`,
 * `ReplayStore` and `BucketStore` have a contract suite in test/contract/, which runs on every implementation.
 */

/** The remote end of a call, after trusted proxies are resolved. */
export interface Peer {
  /** The client's address in canonical text. */
  readonly address: string;
  /** The key of per-address budgets: the IPv4 address, or the /64 of an IPv6 address, because one client may control a whole /64. */
  readonly network: string;
}

/** A device's public key, parsed. */
export interface VerifyingKey {
  /** Whether `signature` (64 bytes) is this key's strict RFC 8032 Ed25519 signature of `message`. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A signing key of the gateway. */
export interface Signer {
  /** RFC 7638 thumbprint of the public key, base64url. */
  readonly keyId: string;
  /** The 64 bytes of an Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** A device session, as the backend describes it. */
export interface Session {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly status: "active" | "revoked";
  readonly key: VerifyingKey;
}

/** A result of the session directory. */
export interface FoundSession {
  readonly session: Session;
  /** The mark of the revocation log up to which `session` is current; see `RevocationLog.revokedSince`. */
  readonly mark: number;
}

/**
 * Finds device sessions.
 *
 * `find` returns the session (active or revoked), or `undefined` if the backend has none. It throws `SESSION_LOOKUP_UNAVAILABLE` if that
 * cannot be determined. A revocation wins every race: after `Revocations.revoke` has returned, no `find` returns an older state, not even
 * from a look-up that started before.
 */
export interface SessionDirectory {
  find(deviceSessionId: string): FoundSession | undefined | Promise<FoundSession | undefined>;
}

/** The backend's session look-up. Resolves to `undefined` if there is no such session; rejects if that cannot be determined. */
export interface SessionSource {
  lookUp(deviceSessionId: string): Promise<Session | undefined>;
}

/**
 * Stores which request ids each session has used.
 *
 * `reserve` is atomic: of any number of concurrent calls with the same key, exactly one resolves to `true`, on one host or on
 * many. A reservation is never lost before `expiresAtMs` (Unix milliseconds). A store that is full or
 * unreachable throws `REPLAY_STORE_UNAVAILABLE`.
 */
export interface ReplayStore {
  reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): boolean | Promise<boolean>;
}

/** What a budget applies to. Also the `scope` of a RATE_LIMITED refusal, where `session_failures` is reported as `failures`. */
export type BudgetScope =
  | "ip"
  | "session"
  | "user"
  | "message_type"
  | "failures"
  | "session_failures"
  | "public_class"
  | "public_identity";

/** A token bucket holds at most `burst` tokens and gains `ratePerSecond`. Both are above 0. */
export interface Budget {
  readonly ratePerSecond: number;
  readonly burst: number;
  /** Shadow mode: tokens are spent and shortages reported, but no request is refused. */
  readonly shadow?: boolean | undefined;
}

/** A demand for one token of one bucket. */
export interface BucketDemand {
  readonly scope: BudgetScope;
  /** The owner of the bucket within the scope. */
  readonly key: string;
  readonly budget: Budget;
}

/** `true`: every demand was met. */
export type TakeOutcome = true | TakeRefusal;

/** The scope of the first demand that was refused, and the delay until all demands could be met. */
export interface TakeRefusal {
  readonly refusedBy: BudgetScope;
  readonly retryAfterMs: number;
  /** Why the demand was refused, unless a bucket was empty. */
  readonly cause?: unknown;
}

/**
 * Token buckets.
 *
 * - `take` is atomic: either every demand is met, or no bucket changes. A bucket that was never used is full. If the other demands are met,
 *   those in shadow mode are met one by one. A shadow bucket without a token is reported to `onShadowRefusal` and refuses nothing.
 * - `spend` records what has already happened. It takes a token if there is one, of several buckets independently.
 * - `check` returns whether the bucket has that many tokens (1 by default). It is synchronous and takes nothing.
 *
 * `nowMs` is the caller's clock. A store without room for a new bucket refuses: it never evicts a bucket that is not full.
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
 * Stores which sessions were recently verified from which network. An empty failure budget of a network does not lock out its verified
 * peers. Bounded; an entry may be lost before its time, and never outlives it.
 */
export interface VerifiedPeers {
  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void;
  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean;
  /** Whether any session was verified from this network. */
  hasAny(peerNetwork: string, nowMs: number): boolean;
}

/** The sessions to end: one session if `deviceSessionId` is set, else every session of the user. */
export interface Revocation {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
}

/** W3C Trace Context headers as the client sent them, unchecked. */
export interface IncomingTrace {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** W3C Trace Context headers for a call of the gateway: valid and safe to send. */
export interface OutgoingTrace {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/** Continues a valid trace, or starts a new one. */
export type ContinueTrace = (incoming: IncomingTrace) => OutgoingTrace;

/** A command that passed every check, on its way to the backend. */
export interface BackendCommand extends IncomingTrace {
  readonly messageType: string;
  readonly requestId: string;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly payloadBytes: Uint8Array;
  readonly peerAddress: string;
  /** Client headers that are forwarded. */
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}

/** The backend's reply: the result code to sign, and the unchanged bytes of the body. */
export interface BackendReply {
  readonly resultCode: string;
  readonly payloadBytes: Uint8Array;
}

/** The backend call that serves one message type. */
export interface Route {
  /** The route's budget per user, if it has one. */
  readonly budget: Budget | undefined;
  /**
   * Calls the backend. Throws PAYLOAD_INVALID, BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE, and
   * settles soon after `signal` aborts. `mayBeSent` is awaited before anything is sent, and its refusal is thrown.
   */
  execute(command: BackendCommand, signal: AbortSignal, mayBeSent: SendCheck): Promise<BackendReply>;
}

/** The application behind the gateway. */
export interface Backend {
  /** The route of a message type, resolved once per request; `undefined` if there is none. */
  route(messageType: string): Route | undefined;
}

/** Called just before a call is sent. `waited`: the call was queued first. Throws a refusal to cancel the call. */
export type SendCheck = (waited: boolean) => void | Promise<void>;

/** An event as the backend sent it. Exactly one of `userId` and `deviceSessionId` decides the audience; the latter wins. */
export interface ClientEvent {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly eventType: string;
  /** Empty: the gateway generates one. */
  readonly eventId: string;
  readonly payloadBytes: Uint8Array;
}

/** The audience of an event: one session if `deviceSessionId` is set, else all streams of the user. */
export type ClientAudience = Pick<ClientEvent, "userId" | "deviceSessionId">;

/** What was lost; `event` by default. */
export type LostKind = "event" | "revocation";

/** The receiver of the push feed. Called in the order of the feed, one call at a time. */
export interface PushFeedSink {
  event(event: ClientEvent): void;
  /** An unusable message for this audience: its clients must resync. After a lost revocation, its sessions are also looked up again. */
  lost(audience: ClientAudience, what?: LostKind): void;
  revoke(revocation: Revocation): void;
  /** Events between the last and the next one may be lost. */
  gap(): void;
}

/** The label set of one time series. */
export type Labels = Readonly<Record<string, string>>;

/** Records measurements. core/metric-table.ts defines the names. */
export interface Metrics {
  count(name: CounterName, labels?: Labels, by?: number): void;
  gauge(name: GaugeName, value: number, labels?: Labels): void;
  /** Adds one observation, in the histogram's unit (seconds for durations). */
  observe(name: HistogramName, value: number, labels?: Labels): void;
}

/** The fields of a log line. Undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured logs, one line per entry. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** The backend's reply to a public call, forwarded unchanged. */
export interface PublicAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The backend's Retry-After header, if it is a number of seconds. */
  readonly retryAfter: string | undefined;
}

/**
 * The backend's calls without a session (proto/README.md, "Public REST"). `forward` resolves to a 2xx or 4xx reply with a JSON body. It
 * throws BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE.
 */
export interface PublicBackend {
  forward(path: string, body: object, call: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer>;
}

/** The parts of the client's request that are forwarded with a public call. */
export interface PublicCallContext extends IncomingTrace {
  readonly peerAddress: string;
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}
