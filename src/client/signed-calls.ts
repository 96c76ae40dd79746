import type { Transport } from "@connectrpc/connect";
import type { GatewayEvent } from "../gen/sallyport/v1/gateway_pb.ts";
import { publicError } from "./errors.ts";
import { EventDeduplicator } from "./event-deduplicator.ts";
import { verifiedEvents } from "./event-stream.ts";
import type { GatewayClock } from "./gateway-clock.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { gatewayService } from "./gateway-service.ts";
import { textMember } from "./json.ts";
import { linkSignals } from "./linked-signal.ts";
import type { SendOptions, StreamOptions } from "./options.ts";
import { payloadFromBytes } from "./payload.ts";
import type { SignedRequest } from "./request-signer.ts";
import { timerMs } from "./timer-ms.ts";
import { type CommandResult, type VerifiedEvent, verifyResponse } from "./verify.ts";

/** Verified events, in the order in which they arrive. */
export type EventStream = AsyncGenerator<VerifiedEvent, void, undefined>;

/**
 * Default timeout of a call. It exceeds the gateway's default backend timeout, so that the gateway can report a slow backend.
 */
export const TIMEOUT_MS = 15_000;

export interface SignedCallsParts {
  readonly transport: Transport;
  readonly keys: GatewayKeySource;
  readonly clock: GatewayClock;
}

/** Sends signed requests unchanged and verifies the answers. Throws a `GatewayError` in place of a `ConnectError`. */
export class SignedCalls {
  readonly #transport: Transport;
  readonly #keys: GatewayKeySource;
  readonly #clock: GatewayClock;
  readonly #deduplicator = new EventDeduplicator();

  constructor({ transport, keys, clock }: SignedCallsParts) {
    this.#transport = transport;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** Sends a command once. */
  async execute(request: SignedRequest, { signal, headers, timeoutMs = TIMEOUT_MS }: SendOptions): Promise<CommandResult> {
    const { executeCommand } = gatewayService.method;
    try {
      const response = await this.#transport.unary(executeCommand, signal, timerMs(Math.ceil(timeoutMs)), headers, request);
      const verified = await verifyResponse(response.message, request, this.#keys);
      this.#clock.observe(verified.evidence.timestampMs);
      return { ...verified, replayed: response.header.get("idempotent-replayed") === "true" };
    } catch (error) {
      throw publicError(error);
    }
  }

  async *subscribe(request: SignedRequest, options: StreamOptions): EventStream {
    const streamEnd = new AbortController();
    const { signal, unlink } = linkSignals(options.signal, streamEnd.signal);
    const transport = this.#transport;
    async function* messages(): AsyncGenerator<GatewayEvent, void, undefined> {
      const requests = (async function* () {
        yield request;
      })();
      const { subscribeEvents } = gatewayService.method;
      yield* (await transport.stream(subscribeEvents, signal, 0, options.headers, requests)).message;
    }
    try {
      yield* this.#verified(request, messages());
    } finally {
      streamEnd.abort();
      unlink();
    }
  }

  /** Yields the events of one FetchEvents call. */
  fetchEvents(request: SignedRequest, { signal, headers, timeoutMs = TIMEOUT_MS }: SendOptions): EventStream {
    const transport = this.#transport;
    async function* messages(): AsyncGenerator<GatewayEvent, void, undefined> {
      const { fetchEvents } = gatewayService.method;
      yield* (await transport.unary(fetchEvents, signal, timerMs(Math.ceil(timeoutMs)), headers, request)).message.events;
    }
    return this.#verified(request, messages());
  }

  /** Yields the verified events of the answer to a request. Drops replayed events. */
  async *#verified(request: SignedRequest, messages: AsyncIterable<GatewayEvent>): EventStream {
    const filter = this.#deduplicator.openStream(textMember(payloadFromBytes(request.payloadBytes), "resume_after"));
    try {
      for await (const event of verifiedEvents(messages, request.envelope, this.#keys, filter)) {
        this.#clock.observe(event.timestampMs);
        yield event;
      }
    } catch (error) {
      throw publicError(error);
    }
  }
}
