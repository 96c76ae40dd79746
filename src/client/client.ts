import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { SUBSCRIBE_MESSAGE_TYPE } from "../core/grammar.ts";
import { Gateway } from "../gen/sallyport/v1/gateway_pb.ts";
import { refusalOf } from "./errors.ts";
import { EventDeduplicator } from "./event-deduplicator.ts";
import { verifiedEvents } from "./event-stream.ts";
import { FirstAttempts } from "./first-attempts.ts";
import { cannotHaveBeenAdmitted, type ServerTime } from "./gateway-clock.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { textMember } from "./json.ts";
import type { SessionCredentials } from "./login.ts";
import { type Payload, payloadFromBytes, payloadToBytes } from "./payload.ts";
import { RequestSigner, type RequestSignerOptions, type SignedRequest, type SignOptions } from "./request-signer.ts";
import { type CommandResult, type VerifiedEvent, verifyResponse } from "./verify.ts";

export interface SallyportClientOptions extends RequestSignerOptions {
  /**
   * A connect-es transport to the gateway. It determines the protocol and the codec. Create it with `createConnectTransport`:
   * - of `@connectrpc/connect-web` in browsers;
   * - of `@connectrpc/connect-node` in Bun and Node.
   */
  readonly transport: Transport;
  /** The device session and its key. `confirmEmailCode` returns them. */
  readonly credentials: SessionCredentials;
  /** The source of the gateway's public keys, usually a `GatewayKeys`. */
  readonly keys: GatewayKeySource;
  /**
   * How long a request id can be repeated, in ms from its first attempt. It must equal the gateway's setting
   * `freshness.window_ms`. Default: 60,000, as in the gateway.
   */
  readonly freshnessWindowMs?: number | undefined;
}

export interface SendOptions {
  /** Cancels the call when the signal aborts. The call then rejects with a `ConnectError` of code `Canceled`. */
  readonly signal?: AbortSignal | undefined;
  /** Timeout of the call, in ms. The call then rejects with a `ConnectError` of code `DeadlineExceeded`. Default: 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Additional request headers, such as `accept-language`. */
  readonly headers?: HeadersInit | undefined;
}

export interface ExecuteOptions extends SendOptions {
  /**
   * Your own request id: 8 to 128 characters of `[A-Za-z0-9_-]`. Default: a new UUIDv7.
   *
   * To retry a command that may have arrived, send it again with the same id. The gateway then does not execute it twice.
   * - `execute` rejects with `RepeatTooLateError` if the first attempt is older than `freshnessWindowMs`.
   * - The client remembers at least the last 4096 ids.
   * - To retry after a restart of the app, store the result of `sign` and send it with `executeSigned`.
   */
  readonly requestId?: string | undefined;
}

export interface StreamOptions {
  /** Ends the stream when the signal aborts. The stream then throws a `ConnectError` of code `Canceled`. */
  readonly signal?: AbortSignal | undefined;
  readonly headers?: HeadersInit | undefined;
}

export interface SubscribeOptions extends StreamOptions {
  /** The `eventId` of the last event that the app has processed. The gateway then sends the later events that it still has. */
  readonly resumeAfter?: string | undefined;
}

/**
 * Default timeout of a call. It exceeds the gateway's default backend timeout, so that the gateway can report a slow backend.
 */
const TIMEOUT_MS = 15_000;
const FRESHNESS_WINDOW_MS = 60_000;

/**
 * A client of the gateway for one device session. It signs requests, and verifies responses and events before it returns them.
 *
 * All methods reject with:
 * - `ConnectError` if the gateway refuses the request or cannot be reached. For a refusal, `reasonOf(error)` returns the
 *   reason.
 * - `UntrustedResponseError` if a response or event fails verification.
 * - `RestError` if the gateway's keys cannot be fetched.
 */
export class SallyportClient {
  readonly #gateway: Client<typeof Gateway>;
  readonly #keys: GatewayKeySource;
  readonly #signer: RequestSigner;
  readonly #firstAttempts: FirstAttempts;
  readonly #deduplicator = new EventDeduplicator();
  #pendingServerTime: Promise<ServerTime | undefined> | undefined;

  constructor(options: SallyportClientOptions) {
    this.#gateway = createClient(Gateway, options.transport);
    this.#keys = options.keys;
    this.#signer = new RequestSigner(options.credentials, options);
    this.#firstAttempts = new FirstAttempts(options.freshnessWindowMs ?? FRESHNESS_WINDOW_MS);
  }

  /**
   * Sends a command and resolves to the backend's answer. A business error is also an answer, with its own `resultCode`.
   *
   * If `execute` rejects, the command may have been executed. This is also true for a refusal, because refusals are not signed.
   * To retry safely, set `requestId` in the first attempt, and repeat the call with the same `requestId`.
   *
   * If the gateway refuses the timestamp, the client sets its clock from a signed event. It then sends the command once more,
   * with a new request id. In two cases it rejects instead:
   * - `requestId` is set.
   * - The gateway may have admitted the first request.
   */
  async execute(messageType: string, payload?: Payload, options: ExecuteOptions = {}): Promise<CommandResult> {
    const payloadBytes = payloadToBytes(payload);
    const { requestId } = options;
    const timestampMs =
      requestId === undefined ? undefined : this.#firstAttempts.timestampFor(requestId, this.#signer.clock.now());
    const request = await this.sign(messageType, payloadBytes, { requestId, timestampMs });
    const elapsedMs = this.#signer.clock.stopwatch();
    try {
      return await this.executeSigned(request, options);
    } catch (error) {
      const serverTime = await this.#fetchServerTime(error, options);
      // Send again only if the gateway cannot have admitted the first request. Never replace the caller's request id.
      if (serverTime === undefined || requestId !== undefined) throw error;
      if (!cannotHaveBeenAdmitted(Number(request.envelope.timestampMs), elapsedMs(), serverTime)) throw error;
      return this.executeSigned(await this.sign(messageType, payloadBytes), options);
    }
  }

  /**
   * Yields the events for this session, for its user, and for all clients. The first event is `gateway.server_time`.
   * `gateway.heartbeat` events follow at intervals. Throws the error with which the gateway ends the stream.
   *
   * The client does not reconnect: call `subscribe` again, with `resumeAfter`. To end the stream, stop the iteration or abort
   * the signal.
   */
  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<VerifiedEvent, void, undefined> {
    const payloadBytes = payloadToBytes(options.resumeAfter === undefined ? undefined : { resume_after: options.resumeAfter });
    const open = async (timestampMs?: number) => {
      const opened = this.subscribeSigned(await this.sign(SUBSCRIBE_MESSAGE_TYPE, payloadBytes, { timestampMs }), options);
      return { first: await opened.next(), events: opened };
    };
    // If the gateway refuses the timestamp, sign again with the time in the refusal. This time is not verified, but a
    // subscription changes nothing. The first event of the stream is signed and confirms the time.
    const { first, events } = await open().catch(async (error: unknown) => {
      const claimedMs = this.#signer.clock.claimedTime(refusalOf(error));
      if (claimedMs === undefined) throw error;
      const opened = await open(claimedMs);
      if (!opened.first.done) this.#signer.clock.confirm(opened.first.value.payload);
      return opened;
    });
    try {
      if (!first.done) yield first.value;
      yield* events;
    } finally {
      await events.return();
    }
  }

  /** Signs a request without sending it. */
  sign(messageType: string, payloadBytes: Uint8Array, options?: SignOptions): Promise<SignedRequest> {
    return this.#signer.sign(messageType, payloadBytes, options);
  }

  /** Sends a signed command unchanged and verifies the response. The command is sent only once. */
  async executeSigned(request: SignedRequest, options: SendOptions = {}): Promise<CommandResult> {
    const { signal, headers, timeoutMs = TIMEOUT_MS } = options;
    const response = await this.#gateway.executeCommand(request, callOptions(timeoutMs, signal, headers));
    return verifyResponse(response, request, this.#keys);
  }

  /** Sends a signed subscription unchanged and verifies the events. The message type of the request is `gateway.subscribe`. */
  async *subscribeSigned(request: SignedRequest, options: StreamOptions = {}): AsyncGenerator<VerifiedEvent, void, undefined> {
    const streamEnd = new AbortController();
    const filter = this.#deduplicator.openStream(textMember(payloadFromBytes(request.payloadBytes), "resume_after"));
    const signal = options.signal ? AbortSignal.any([options.signal, streamEnd.signal]) : streamEnd.signal;
    try {
      const messages = this.#gateway.subscribeEvents(request, callOptions(0, signal, options.headers));
      yield* verifiedEvents(messages, request.envelope, this.#keys, filter);
    } finally {
      streamEnd.abort();
    }
  }

  /**
   * If the error is a `TIMESTAMP_OUT_OF_WINDOW` refusal, gets the gateway's time from a signed event and sets the clock.
   * Resolves to `undefined` for any other error, or if no signed event confirms the time. Concurrent callers share one
   * subscription.
   */
  async #fetchServerTime(error: unknown, options: SendOptions): Promise<ServerTime | undefined> {
    const claimedMs = this.#signer.clock.claimedTime(refusalOf(error));
    if (claimedMs === undefined) return undefined;
    this.#pendingServerTime ??= this.#subscribeForServerTime(claimedMs, options.headers).finally(() => {
      this.#pendingServerTime = undefined;
    });
    return this.#pendingServerTime;
  }

  async #subscribeForServerTime(timestampMs: number, headers: HeadersInit | undefined): Promise<ServerTime | undefined> {
    try {
      const request = await this.sign(SUBSCRIBE_MESSAGE_TYPE, new Uint8Array(), { timestampMs });
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      for await (const { payload } of this.subscribeSigned(request, { signal, headers }))
        return this.#signer.clock.confirm(payload);
    } catch {
      // The time could not be confirmed. `execute` then throws the first error.
    }
    return undefined;
  }
}

/** Returns options without undefined members, because the types of connect-es do not allow `undefined`. */
function callOptions(timeoutMs: number, signal: AbortSignal | undefined, headers: HeadersInit | undefined): CallOptions {
  const options: CallOptions = { timeoutMs };
  if (signal !== undefined) options.signal = signal;
  if (headers !== undefined) options.headers = headers;
  return options;
}
