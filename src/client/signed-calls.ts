import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { Gateway, type GatewayEvent } from "../gen/sallyport/v1/gateway_pb.ts";
import { publicError } from "./errors.ts";
import { EventDeduplicator } from "./event-deduplicator.ts";
import { verifiedEvents } from "./event-stream.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { textMember } from "./json.ts";
import type { SendOptions, StreamOptions } from "./options.ts";
import { payloadFromBytes } from "./payload.ts";
import type { SignedRequest } from "./request-signer.ts";
import { type CommandResult, type VerifiedEvent, verifyResponse } from "./verify.ts";

/** Verified events, in the order in which they arrive. */
export type EventStream = AsyncGenerator<VerifiedEvent, void, undefined>;

/**
 * Default timeout of a call. It exceeds the gateway's default backend timeout, so that the gateway can report a slow backend.
 */
export const TIMEOUT_MS = 15_000;

/** Sends signed requests unchanged, and verifies what answers them. Errors of the calls become `GatewayError`. */
export class SignedCalls {
  readonly #gateway: Client<typeof Gateway>;
  readonly #keys: GatewayKeySource;
  readonly #deduplicator = new EventDeduplicator();

  constructor(transport: Transport, keys: GatewayKeySource) {
    this.#gateway = createClient(Gateway, transport);
    this.#keys = keys;
  }

  /** Sends a command once. */
  async execute(request: SignedRequest, { signal, headers, timeoutMs = TIMEOUT_MS }: SendOptions): Promise<CommandResult> {
    let replayed = false;
    const onHeader = (answered: Headers) => {
      replayed = answered.get("idempotent-replayed") === "true";
    };
    try {
      const response = await this.#gateway.executeCommand(request, { ...callOptions(timeoutMs, signal, headers), onHeader });
      return { ...(await verifyResponse(response, request, this.#keys)), replayed };
    } catch (error) {
      throw publicError(error);
    }
  }

  async *subscribe(request: SignedRequest, options: StreamOptions): EventStream {
    const streamEnd = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, streamEnd.signal]) : streamEnd.signal;
    try {
      yield* this.#verified(request, this.#gateway.subscribeEvents(request, callOptions(0, signal, options.headers)));
    } finally {
      streamEnd.abort();
    }
  }

  /** Yields the events of one FetchEvents call. */
  fetchEvents(request: SignedRequest, { signal, headers, timeoutMs = TIMEOUT_MS }: SendOptions): EventStream {
    const call = () => this.#gateway.fetchEvents(request, callOptions(timeoutMs, signal, headers));
    async function* messages(): AsyncGenerator<GatewayEvent, void, undefined> {
      yield* (await call()).events;
    }
    return this.#verified(request, messages());
  }

  /** Verifies the events that answer a request, and drops replays. */
  async *#verified(request: SignedRequest, messages: AsyncIterable<GatewayEvent>): EventStream {
    const filter = this.#deduplicator.openStream(textMember(payloadFromBytes(request.payloadBytes), "resume_after"));
    try {
      yield* verifiedEvents(messages, request.envelope, this.#keys, filter);
    } catch (error) {
      throw publicError(error);
    }
  }
}

/** Returns options without undefined members, because the types of connect-es do not allow `undefined`. */
function callOptions(timeoutMs: number, signal: AbortSignal | undefined, headers: HeadersInit | undefined): CallOptions {
  const options: CallOptions = { timeoutMs };
  if (signal !== undefined) options.signal = signal;
  if (headers !== undefined) options.headers = headers;
  return options;
}
