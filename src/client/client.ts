import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { SUBSCRIBE_MESSAGE_TYPE } from "../core/grammar.ts";
import { Gateway } from "../gen/sallyport/v1/gateway_pb.ts";
import { refusalOf } from "./errors.ts";
import { verifiedEvents } from "./event-stream.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import type { SessionCredentials } from "./login.ts";
import { type Payload, payloadToBytes } from "./payload.ts";
import { RequestSigner, type RequestSignerOptions, type SignedRequest, type SignOptions } from "./request-signer.ts";
import { type CommandResult, type VerifiedEvent, verifyResponse } from "./verify.ts";

export interface SallyportClientOptions extends RequestSignerOptions {
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
  /** The gateway admits a request id once: repeat it to try a command again that may have arrived, without doing it twice. */
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

/**
 * One device session's calls to the gateway. Whatever comes back has been verified: what does not verify is an `UntrustedResponseError`,
 * what the gateway refuses is a `ConnectError` whose reason `reasonOf` tells.
 */
export class SallyportClient {
  readonly #gateway: Client<typeof Gateway>;
  readonly #keys: GatewayKeySource;
  readonly #signer: RequestSigner;

  constructor(options: SallyportClientOptions) {
    this.#gateway = createClient(Gateway, options.transport);
    this.#keys = options.keys;
    this.#signer = new RequestSigner(options.credentials, options);
  }

  /** Has the backend do something, and gives its answer, which may be a business error: see `resultCode`. */
  execute(messageType: string, payload?: Payload, options: ExecuteOptions = {}): Promise<CommandResult> {
    const payloadBytes = payloadToBytes(payload);
    const requestId = options.requestId ?? this.#signer.newRequestId();
    return this.#withClockRepair(async () =>
      this.executeSigned(await this.sign(messageType, payloadBytes, { requestId }), options),
    );
  }

  /**
   * The events of our session and user, from `gateway.server_time` on, heartbeats among them. Ends with the error that the gateway ends
   * it with. To leave it, leave the loop or abort the signal.
   */
  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<VerifiedEvent, void, undefined> {
    const payloadBytes = payloadToBytes(options.resumeAfter === undefined ? undefined : { resume_after: options.resumeAfter });
    const { first, events } = await this.#withClockRepair(async () => {
      const opened = this.subscribeSigned(await this.sign(SUBSCRIBE_MESSAGE_TYPE, payloadBytes), options);
      return { first: await opened.next(), events: opened };
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
    const signal = options.signal ? AbortSignal.any([options.signal, leave.signal]) : leave.signal;
    try {
      const messages = this.#gateway.subscribeEvents(request, { signal, headers: options.headers, timeoutMs: 0 });
      yield* verifiedEvents(messages, request.envelope, this.#keys);
    } finally {
      leave.abort();
    }
  }

  /** A device whose clock is off is told so, and how far: it signs anew by the gateway's clock, once. */
  async #withClockRepair<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      const refusal = refusalOf(error);
      const serverTimeMs = Number(refusal?.metadata.server_time_ms);
      if (refusal?.reason !== "TIMESTAMP_OUT_OF_WINDOW" || !isTime(serverTimeMs)) throw error;
      this.#signer.setServerTime(serverTimeMs);
      return attempt();
    }
  }
}

function isTime(unixMs: number): boolean {
  return Number.isSafeInteger(unixMs) && unixMs > 0;
}
