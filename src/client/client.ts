import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { SUBSCRIBE_MESSAGE_TYPE } from "../core/grammar.ts";
import { Gateway } from "../gen/sallyport/v1/gateway_pb.ts";
import { Attempts } from "./attempts.ts";
import { refusalOf } from "./errors.ts";
import { verifiedEvents } from "./event-stream.ts";
import { type ServerTime, wasOutOfWindow } from "./gateway-clock.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { textMember } from "./json.ts";
import type { SessionCredentials } from "./login.ts";
import { type Payload, payloadFromBytes, payloadToBytes } from "./payload.ts";
import { RequestSigner, type RequestSignerOptions, type SignedRequest, type SignOptions } from "./request-signer.ts";
import { SeenEvents } from "./seen-events.ts";
import { type CommandResult, type VerifiedEvent, verifyResponse } from "./verify.ts";

export interface SallyportClientOptions extends RequestSignerOptions {
  /** The gateway's `freshness.window_ms`, where it is not the default of a minute: for how long a request id may be repeated. */
  readonly freshnessWindowMs?: number | undefined;
  /** How to reach the gateway: Connect, gRPC-Web or gRPC, binary or JSON, is the transport's choice. */
  readonly transport: Transport;
  readonly credentials: SessionCredentials;
  readonly keys: GatewayKeySource;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly headers?: HeadersInit | undefined;
}

export interface ExecuteOptions extends SendOptions {
  /**
   * To try a command again that may have arrived, without doing it twice: repeat its request id, within `freshnessWindowMs` of the first
   * attempt. After that it is a `RepeatTooLateError`. The client remembers the last few thousand ids; to repeat a request after a restart
   * of the app, keep what `sign` gave, and send it with `executeSigned`.
   */
  readonly requestId?: string | undefined;
}

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  readonly headers?: HeadersInit | undefined;
}

export interface SubscribeOptions extends StreamOptions {
  /** The id of the last event that was taken in. */
  readonly resumeAfter?: string | undefined;
}

/** Longer than the gateway gives its backend by default. */
const TIMEOUT_MS = 15_000;
const FRESHNESS_WINDOW_MS = 60_000;

/**
 * One device session's calls to the gateway. Whatever comes back has been verified: what does not verify is an `UntrustedResponseError`,
 * what the gateway refuses is a `ConnectError` whose reason `reasonOf` tells.
 */
export class SallyportClient {
  readonly #gateway: Client<typeof Gateway>;
  readonly #keys: GatewayKeySource;
  readonly #signer: RequestSigner;
  readonly #attempts: Attempts;
  readonly #seen = new SeenEvents();
  #askingTime: Promise<ServerTime | undefined> | undefined;

  constructor(options: SallyportClientOptions) {
    this.#gateway = createClient(Gateway, options.transport);
    this.#keys = options.keys;
    this.#signer = new RequestSigner(options.credentials, options);
    this.#attempts = new Attempts(options.freshnessWindowMs ?? FRESHNESS_WINDOW_MS);
  }

  /**
   * Has the backend do something, and gives its answer, which may be a business error: see `resultCode`. An error leaves open whether the
   * command was executed, unless it says otherwise: a refusal is not signed.
   */
  async execute(messageType: string, payload?: Payload, options: ExecuteOptions = {}): Promise<CommandResult> {
    const payloadBytes = payloadToBytes(payload);
    const { requestId } = options;
    const timestampMs = requestId === undefined ? undefined : this.#attempts.timeOf(requestId, this.#signer.clock.now());
    const request = await this.sign(messageType, payloadBytes, { requestId, timestampMs });
    const elapsedMs = this.#signer.clock.stopwatch();
    try {
      return await this.executeSigned(request, options);
    } catch (error) {
      const serverTime = await this.#askTime(error, options);
      // An id of the caller's own is never signed anew; nor is a command that may have been executed.
      if (serverTime === undefined || requestId !== undefined) throw error;
      if (!wasOutOfWindow(Number(request.envelope.timestampMs), elapsedMs(), serverTime)) throw error;
      return this.executeSigned(await this.sign(messageType, payloadBytes), options);
    }
  }

  /**
   * The events of our session and user, from `gateway.server_time` on, heartbeats among them. Ends with the error that the gateway ends
   * it with. To leave it, leave the loop or abort the signal.
   */
  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<VerifiedEvent, void, undefined> {
    const payloadBytes = payloadToBytes(options.resumeAfter === undefined ? undefined : { resume_after: options.resumeAfter });
    const open = async (timestampMs?: number) => {
      const opened = this.subscribeSigned(await this.sign(SUBSCRIBE_MESSAGE_TYPE, payloadBytes, { timestampMs }), options);
      return { first: await opened.next(), events: opened };
    };
    // Nothing is done twice by a subscription, so the time that is claimed may be tried; the first event is signed.
    const { first, events } = await open().catch(async (error: unknown) => {
      const claimedMs = this.#signer.clock.claimedBy(refusalOf(error));
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

  /** A request that is signed but not sent. */
  sign(messageType: string, payloadBytes: Uint8Array, options?: SignOptions): Promise<SignedRequest> {
    return this.#signer.sign(messageType, payloadBytes, options);
  }

  /** Sends a command as it is signed, and verifies the answer to it. */
  async executeSigned(request: SignedRequest, options: SendOptions = {}): Promise<CommandResult> {
    const { signal, headers, timeoutMs = TIMEOUT_MS } = options;
    const response = await this.#gateway.executeCommand(request, { signal, headers, timeoutMs });
    return verifyResponse(response, request, this.#keys);
  }

  /** Sends a subscription as it is signed, and verifies what the stream brings. */
  async *subscribeSigned(request: SignedRequest, options: StreamOptions = {}): AsyncGenerator<VerifiedEvent, void, undefined> {
    const leave = new AbortController();
    const stream = this.#seen.open(textMember(payloadFromBytes(request.payloadBytes), "resume_after"));
    const signal = options.signal ? AbortSignal.any([options.signal, leave.signal]) : leave.signal;
    try {
      const messages = this.#gateway.subscribeEvents(request, { signal, headers: options.headers, timeoutMs: 0 });
      yield* verifiedEvents(messages, request.envelope, this.#keys, stream);
    } finally {
      leave.abort();
    }
  }

  /** The gateway's time, by a signed answer, where it refuses our timestamp; then the clock goes by it. One question serves all who ask. */
  async #askTime(error: unknown, options: SendOptions): Promise<ServerTime | undefined> {
    const claimedMs = this.#signer.clock.claimedBy(refusalOf(error));
    if (claimedMs === undefined) return undefined;
    this.#askingTime ??= this.#readServerTime(claimedMs, options.headers).finally(() => {
      this.#askingTime = undefined;
    });
    return this.#askingTime;
  }

  async #readServerTime(timestampMs: number, headers: HeadersInit | undefined): Promise<ServerTime | undefined> {
    try {
      const request = await this.sign(SUBSCRIBE_MESSAGE_TYPE, new Uint8Array(), { timestampMs });
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      for await (const { payload } of this.subscribeSigned(request, { signal, headers }))
        return this.#signer.clock.confirm(payload);
    } catch {
      // Nobody has confirmed the time: what is thrown in the end is the refusal.
    }
    return undefined;
  }
}
