import type { Transport } from "@connectrpc/connect";
import { canStreamBodies } from "./body.ts";
import { CommandSender } from "./command-sender.ts";
import { EventOpener } from "./event-opener.ts";
import { fetchTransport } from "./fetch-transport.ts";
import { FirstAttempts } from "./first-attempts.ts";
import { type GatewayKeySource, GatewayKeys } from "./gateway-keys.ts";
import type { SessionCredentials } from "./login.ts";
import type { ExecuteOptions, FetchEventsOptions, OpenStreamOptions, SendOptions, StreamOptions } from "./options.ts";
import { type Payload, payloadToBytes } from "./payload.ts";
import { RequestSigner, type RequestSignerOptions, type SignedRequest, type SignOptions } from "./request-signer.ts";
import type { Fetch } from "./rest.ts";
import type { RetryOptions } from "./retry.ts";
import { type EventStream, SignedCalls } from "./signed-calls.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import { type StreamSettings, Subscriptions } from "./subscriptions.ts";
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
  /** How commands with an `idempotencyKey` are tried again. `false` switches retries off. */
  readonly retry?: RetryOptions | false | undefined;
  /** How `subscribe` gets events. */
  readonly streams?: StreamSettings | undefined;
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
  readonly #commands: CommandSender;
  readonly #events: EventOpener;
  readonly #signer: RequestSigner;
  readonly #subscriptions: Subscriptions;

  /** Throws `TypeError` if `baseUrl` is missing, unless `transport` and `keys` are set. */
  constructor(options: SallyportClientOptions) {
    const { fetch, retry } = options;
    const keys = options.keys ?? new GatewayKeys(baseUrlOf(options), { fetch });
    const transport = options.transport ?? fetchTransport({ baseUrl: baseUrlOf(options), fetch });
    const signer = new RequestSigner(options.credentials, options);
    const parts = { transport, keys, clock: signer.clock };
    const calls = new SignedCalls(parts);
    const hasStreams = options.transport !== undefined || (fetch === undefined && canStreamBodies());
    const events = new EventOpener(signer, calls, hasStreams);
    const firstAttempts = new FirstAttempts(options.freshnessWindowMs ?? FRESHNESS_WINDOW_MS);
    this.#commands = new CommandSender({ signer, calls, events, firstAttempts, retry });
    const baseUrl = options.transport === undefined ? options.baseUrl : undefined;
    const { deviceSessionId } = options.credentials;
    this.#subscriptions = new Subscriptions({
      signer,
      calls: parts,
      deviceSessionId,
      baseUrl,
      // The app's `fetch` may deliver streams even if the `fetch` of the platform does not.
      mayHaveStreams: hasStreams || fetch !== undefined,
      settings: options.streams ?? {},
    });
    [this.#signer, this.#calls, this.#events] = [signer, calls, events];
  }

  /**
   * Sends a command and resolves to the backend's answer. A business error is also an answer, with its own `resultCode`.
   *
   * If `execute` rejects, the command may have been executed. This is also true for a refusal, because refusals are not signed.
   * - With an `idempotencyKey`, the command is sent again after a failure that may be temporary. The documentation of this option
   *   lists the conditions under which the command is executed only once.
   * - Without a key, the command is sent again only after a refusal of its timestamp. A signed event must also prove that the
   *   gateway did not admit the first request.
   */
  async execute(messageType: string, payload?: Payload, options: ExecuteOptions = {}): Promise<CommandResult> {
    return this.#commands.send({ messageType, payloadBytes: payloadToBytes(payload) }, options);
  }

  /**
   * Delivers the events for this session, for its user, and for all clients. Each event is delivered once and in order. If
   * events may be lost, a `resync` is delivered.
   *
   * The subscription reconnects and resumes. It changes the transport if streams do not work in the network. If several
   * subscriptions of a client are at the same position, they share one stream. In browsers, tabs with the same session share it,
   * too.
   */
  subscribe(options: SubscribeOptions = {}): Subscription {
    return this.#subscriptions.open(options);
  }

  /**
   * Opens one stream, and yields the events for this session, for its user, and for all clients. The first event is
   * `gateway.server_time`. `gateway.heartbeat` events follow at intervals. Throws the error with which the gateway ends the
   * stream.
   *
   * The client does not reconnect: call `openStream` again, with `resumeAfter`. To end the stream, stop the iteration or abort
   * the signal. The default transport needs a `fetch` that delivers streams. React Native's `fetch` does not.
   */
  openStream(options: OpenStreamOptions = {}): EventStream {
    return this.#events.openStream(options);
  }

  /**
   * Gets the events after `resumeAfter` with one call. If there are no events yet, the gateway waits for one, for at most
   * `waitMs`. Use this method in networks in which streams do not work.
   *
   * The first returned event is `gateway.server_time`. Pass the `eventId` of the last event to the next call.
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

  /** Sends a signed subscription unchanged and verifies the events. The message type of `request` must be `gateway.subscribe`. */
  subscribeSigned(request: SignedRequest, options: StreamOptions = {}): EventStream {
    return this.#calls.subscribe(request, options);
  }
}

function baseUrlOf({ baseUrl }: SallyportClientOptions): string {
  if (baseUrl === undefined) throw new TypeError("baseUrl: a URL expected, unless transport and keys are set");
  return baseUrl;
}
