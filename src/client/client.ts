import type { Transport } from "@connectrpc/connect";
import { EventOpener } from "./event-opener.ts";
import { fetchTransport } from "./fetch-transport.ts";
import { FirstAttempts } from "./first-attempts.ts";
import { cannotHaveBeenAdmitted } from "./gateway-clock.ts";
import { type GatewayKeySource, GatewayKeys } from "./gateway-keys.ts";
import type { SessionCredentials } from "./login.ts";
import type { ExecuteOptions, FetchEventsOptions, OpenStreamOptions, SendOptions, StreamOptions } from "./options.ts";
import { type Payload, payloadToBytes } from "./payload.ts";
import { RequestSigner, type RequestSignerOptions, type SignedRequest, type SignOptions } from "./request-signer.ts";
import type { Fetch } from "./rest.ts";
import { type EventStream, SignedCalls } from "./signed-calls.ts";
import type { CommandResult, VerifiedEvent } from "./verify.ts";

export interface SallyportClientOptions extends RequestSignerOptions {
  /** The URL of the gateway's edge, such as https://gateway.example. Not needed if `transport` and `keys` are set. */
  readonly baseUrl?: string | undefined;
  /** The device session and its key. `confirmEmailCode` returns them. */
  readonly credentials: SessionCredentials;
  /** A connect-es transport to the gateway. Default: the Connect protocol over `fetch`, with binary messages. */
  readonly transport?: Transport | undefined;
  /** The source of the gateway's public keys. Default: a `GatewayKeys` of `baseUrl`. */
  readonly keys?: GatewayKeySource | undefined;
  /** Sends the HTTP requests of the default `transport` and `keys`. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /**
   * How long a request id can be repeated, in ms from its first attempt. It must equal the gateway's setting
   * `freshness.window_ms`. Default: 60,000, as in the gateway.
   */
  readonly freshnessWindowMs?: number | undefined;
}

const FRESHNESS_WINDOW_MS = 60_000;

/**
 * A client of the gateway for one device session. It signs requests, and verifies responses and events before it returns them.
 *
 * All methods reject with a `SallyportError`:
 * - `GatewayError` if the gateway refuses the request or cannot be reached. For a refusal, `reason` is set.
 * - `UntrustedResponseError` if a response or event fails verification.
 * - `RestError` if the gateway's keys cannot be fetched.
 */
export class SallyportClient {
  readonly #calls: SignedCalls;
  readonly #events: EventOpener;
  readonly #signer: RequestSigner;
  readonly #firstAttempts: FirstAttempts;

  /** Throws `TypeError` if `baseUrl` is missing, unless `transport` and `keys` are set. */
  constructor(options: SallyportClientOptions) {
    const { fetch } = options;
    const keys = options.keys ?? new GatewayKeys(baseUrlOf(options), { fetch });
    this.#calls = new SignedCalls(options.transport ?? fetchTransport({ baseUrl: baseUrlOf(options), fetch }), keys);
    this.#signer = new RequestSigner(options.credentials, options);
    this.#events = new EventOpener(this.#signer, this.#calls);
    this.#firstAttempts = new FirstAttempts(options.freshnessWindowMs ?? FRESHNESS_WINDOW_MS);
  }

  /**
   * Sends a command and resolves to the backend's answer. A business error is also an answer, with its own `resultCode`.
   *
   * If `execute` rejects, the command may have been executed. This is also true for a refusal, because refusals are not signed.
   * To retry safely, set `idempotencyKey` in the first attempt, and repeat the call with the same key. On a route that does not
   * keep answers, do the same with `requestId`.
   *
   * If the gateway refuses the timestamp, the client sets its clock from a signed event. It then sends the command once more,
   * with a new request id. In two cases it rejects instead:
   * - `requestId` is set.
   * - The gateway may have admitted the first request.
   */
  async execute(messageType: string, payload?: Payload, options: ExecuteOptions = {}): Promise<CommandResult> {
    const payloadBytes = payloadToBytes(payload);
    const { requestId, idempotencyKey, headers } = options;
    const timestampMs =
      requestId === undefined ? undefined : this.#firstAttempts.timestampFor(requestId, this.#signer.clock.now());
    const request = await this.sign(messageType, payloadBytes, { requestId, timestampMs, idempotencyKey });
    const elapsedMs = this.#signer.clock.stopwatch();
    try {
      return await this.executeSigned(request, options);
    } catch (error) {
      const serverTime = await this.#events.serverTimeAfter(error, headers);
      // Send again only if the gateway cannot have admitted the first request. Never replace the caller's request id.
      if (serverTime === undefined || requestId !== undefined) throw error;
      if (!cannotHaveBeenAdmitted(Number(request.envelope.timestampMs), elapsedMs(), serverTime)) throw error;
      return this.executeSigned(await this.sign(messageType, payloadBytes, { idempotencyKey }), options);
    }
  }

  /**
   * Opens one stream, and yields the events for this session, for its user, and for all clients. The first event is
   * `gateway.server_time`. `gateway.heartbeat` events follow at intervals. Throws the error with which the gateway ends the stream.
   *
   * The client does not reconnect: call `openStream` again, with `resumeAfter`. To end the stream, stop the iteration or abort
   * the signal.
   */
  openStream(options: OpenStreamOptions = {}): EventStream {
    return this.#events.openStream(options);
  }

  /**
   * Gets the events after `resumeAfter` by one call that waits for the first of them: for networks in which streams do not get
   * through. The first event is `gateway.server_time`. Pass the `eventId` of the last event to the next call.
   */
  fetchEvents(options: FetchEventsOptions = {}): Promise<VerifiedEvent[]> {
    return this.#events.fetchEvents(options);
  }

  /** Signs a request without sending it. */
  sign(messageType: string, payloadBytes: Uint8Array, options?: SignOptions): Promise<SignedRequest> {
    return this.#signer.sign(messageType, payloadBytes, options);
  }

  /** Sends a signed command unchanged and verifies the response. The command is sent only once. */
  executeSigned(request: SignedRequest, options: SendOptions = {}): Promise<CommandResult> {
    return this.#calls.execute(request, options);
  }

  /** Sends a signed subscription unchanged and verifies the events. The message type of the request is `gateway.subscribe`. */
  subscribeSigned(request: SignedRequest, options: StreamOptions = {}): EventStream {
    return this.#calls.subscribe(request, options);
  }
}

function baseUrlOf({ baseUrl }: SallyportClientOptions): string {
  if (baseUrl === undefined) throw new TypeError("baseUrl: a URL expected, unless transport and keys are set");
  return baseUrl;
}
