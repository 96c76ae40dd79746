import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Code,
  ConnectError,
  type ConnectRouter,
  createRouterTransport,
  type HandlerContext,
  type Transport,
} from "@connectrpc/connect";
import type { Fetch } from "../../../src/client/rest.ts";
import { REFUSAL_DOMAIN, type Reason } from "../../../src/core/reasons.ts";
import { sha256 } from "../../../src/crypto/ed25519.ts";
import { KeyRing } from "../../../src/crypto/key-ring.ts";
import {
  type EventFields,
  eventSigningInput,
  type ResponseFields,
  responseSigningInput,
} from "../../../src/crypto/signing-input.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import {
  type ExecuteCommandRequest,
  type ExecuteCommandResponse,
  ExecuteCommandResponseSchema,
  type FetchEventsRequest,
  Gateway,
  type GatewayEvent,
  GatewayEventSchema,
  type RequestEnvelope,
  type SubscribeEventsRequest,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";

/** An in-memory gateway. It signs what a test passes, right or wrong, with the server's signing code. */

export const NOW_MS = 1_760_000_000_000;
export const USER_ID = "u-1";

export function newKeyRing(): KeyRing {
  return new KeyRing({ current: randomBytes(32) });
}

/** A `fetch` that serves the keys of these rings and counts its calls. */
export function serveKeys(...rings: readonly KeyRing[]): { fetch: Fetch; calls: () => number } {
  let calls = 0;
  const fetch: Fetch = async () => {
    calls++;
    return Response.json({ keys: rings.flatMap((ring) => ring.jwks.keys) });
  };
  return { fetch, calls: () => calls };
}

export function envelopeOf(request: ExecuteCommandRequest | SubscribeEventsRequest | FetchEventsRequest): RequestEnvelope {
  if (request.envelope === undefined) throw new Error("the request has no envelope");
  return request.envelope;
}

/** A signed response to the request. `overrides` changes the signed fields. */
export function respond(
  request: ExecuteCommandRequest,
  ring: KeyRing,
  payload: unknown,
  overrides: Partial<ResponseFields> = {},
): ExecuteCommandResponse {
  const { deviceSessionId, messageType, requestId } = envelopeOf(request);
  const payloadBytes = jsonBytes(payload);
  const fields: ResponseFields = {
    protocolVersion: "v1",
    deviceSessionId,
    messageType,
    requestId,
    timestampMs: BigInt(NOW_MS),
    resultCode: "ok",
    payloadHash: sha256(payloadBytes),
    keyId: ring.keyId,
    ...overrides,
  };
  const signature = ring.sign(responseSigningInput(fields));
  return create(ExecuteCommandResponseSchema, { envelope: fields, payloadBytes, signature });
}

/** A signed event. `overrides` changes the signed fields. */
export function event(
  ring: KeyRing,
  audience: string,
  eventType: string,
  payload: unknown,
  overrides: Partial<EventFields> = {},
): GatewayEvent {
  const payloadBytes = jsonBytes(payload);
  const fields: EventFields = {
    protocolVersion: "v1",
    eventType,
    eventId: `ev-${randomBytes(4).toString("hex")}`,
    audience,
    timestampMs: BigInt(NOW_MS),
    payloadHash: sha256(payloadBytes),
    keyId: ring.keyId,
    ...overrides,
  };
  return create(GatewayEventSchema, { envelope: fields, payloadBytes, signature: ring.sign(eventSigningInput(fields)) });
}

/** The first event of every stream. */
export function serverTime(request: SubscribeEventsRequest | FetchEventsRequest, ring: KeyRing): GatewayEvent {
  const { deviceSessionId, requestId } = envelopeOf(request);
  const payload = {
    server_time_ms: NOW_MS,
    request_id: requestId,
    user_id: USER_ID,
    heartbeat_interval_ms: 25_000,
    resumed: false,
    freshness_window_ms: 60_000,
  };
  return event(ring, `session:${deviceSessionId}`, "gateway.server_time", payload);
}

export function refusal(
  reason: Reason,
  code: Code,
  metadata: Record<string, string> = {},
  retryAfterMs?: number,
): ConnectError {
  const info = create(ErrorInfoSchema, { reason, domain: REFUSAL_DOMAIN, metadata });
  const error = new ConnectError(reason, code, undefined, [{ desc: ErrorInfoSchema, value: info }]);
  if (retryAfterMs !== undefined) {
    const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) });
    error.details.push({ desc: RetryInfoSchema, value: retry });
  }
  return error;
}

export interface FakeHandlers {
  execute?(request: ExecuteCommandRequest, context: HandlerContext): ExecuteCommandResponse | Promise<ExecuteCommandResponse>;
  subscribe?(request: SubscribeEventsRequest, context: HandlerContext): AsyncIterable<GatewayEvent>;
  fetchEvents?(request: FetchEventsRequest, context: HandlerContext): GatewayEvent[] | Promise<GatewayEvent[]>;
}

export function transportTo(handlers: FakeHandlers, transport: { defaultTimeoutMs?: number } = {}): Transport {
  const { execute, subscribe, fetchEvents } = handlers;
  const routes = ({ service }: ConnectRouter) => {
    service(Gateway, {
      ...(execute && { executeCommand: execute }),
      ...(subscribe && { subscribeEvents: subscribe }),
      ...(fetchEvents && {
        fetchEvents: async (request: FetchEventsRequest, context: HandlerContext) => ({
          events: await fetchEvents(request, context),
        }),
      }),
    });
  };
  return createRouterTransport(routes, { transport });
}

function jsonBytes(payload: unknown): Uint8Array {
  return payload === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(payload));
}
