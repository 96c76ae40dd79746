import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { SallyportClient } from "../../../src/client/client.ts";
import { reasonOf, type TrustCheck } from "../../../src/client/errors.ts";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import {
  type GatewayEvent,
  GatewayEventSchema,
  type SubscribeEventsRequest,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, type FakeHandlers, NOW_MS, refusal, serverTime, transportTo, USER_ID } from "./fake-gateway.ts";
import { clientOf, collect, DEVICE_KEY, expectUntrusted, FOREIGN, failureOf, RING, SESSION } from "./test-client.ts";

describe("subscribe", () => {
  function streaming(...after: GatewayEvent[]): SallyportClient {
    return clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        yield* after;
      },
    });
  }

  test("yields the events of the session, its user and all, in order", async () => {
    const message = event(RING, `user:${USER_ID}`, "chat.message", { text: "hello" }, { eventId: "ev-7" });
    const events = await collect(
      streaming(
        message,
        event(RING, "all", "gateway.heartbeat", {}),
        event(RING, `session:${SESSION}`, "order.ready", 1),
      ).openStream(),
    );
    expect(events.map((one) => one.eventType)).toEqual([
      "gateway.server_time",
      "chat.message",
      "gateway.heartbeat",
      "order.ready",
    ]);
    expect(events[1]).toMatchObject({
      eventId: "ev-7",
      audience: `user:${USER_ID}`,
      timestampMs: NOW_MS,
      payload: { text: "hello" },
    });
  });

  test("signs a gateway.subscribe request with the resume position", async () => {
    const requests: SubscribeEventsRequest[] = [];
    const client = clientOf({
      subscribe: async function* (request) {
        requests.push(request);
        yield serverTime(request, RING);
      },
    });
    await collect(client.openStream());
    await collect(client.openStream({ resumeAfter: "ev-7" }));
    expect(requests.map((request) => new TextDecoder().decode(request.payloadBytes))).toEqual(["", '{"resume_after":"ev-7"}']);
    for (const request of requests) {
      expect(envelopeOf(request).messageType).toBe("gateway.subscribe");
      expect(verifyingKey(DEVICE_KEY.publicKey).verify(requestSigningInput(envelopeOf(request)), request.signature)).toBe(true);
    }
  });

  test("ignores the default timeout of the transport", async () => {
    const timeouts: unknown[] = [];
    const handlers: FakeHandlers = {
      subscribe: async function* (request, context) {
        timeouts.push(context.timeoutMs());
        yield serverTime(request, RING);
      },
    };
    const transport = transportTo(handlers, { defaultTimeoutMs: 60_000 });
    await collect(clientOf(handlers, { transport }).openStream());
    expect(timeouts).toEqual([undefined]);
  });

  test("throws the gateway's reason after the events before it", async () => {
    const client = clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        throw refusal("SHUTTING_DOWN", Code.Unavailable);
      },
    });
    const seen: string[] = [];
    const error = await failureOf(
      (async () => {
        for await (const { eventType } of client.openStream()) seen.push(eventType);
      })(),
    );
    expect(seen).toEqual(["gateway.server_time"]);
    expect(reasonOf(error)).toBe("SHUTTING_DOWN");
  });

  test("closes the stream at the gateway when the caller leaves the loop", async () => {
    const left = Promise.withResolvers<void>();
    const client = clientOf({ subscribe: (request, context) => openStream(request, context.signal, left.resolve) });
    for await (const { eventType } of client.openStream()) {
      expect(eventType).toBe("gateway.server_time");
      break;
    }
    await left.promise;
  });

  test("ends when it is aborted while it waits for an event", async () => {
    const left = Promise.withResolvers<void>();
    const controller = new AbortController();
    const client = clientOf({ subscribe: (request, context) => openStream(request, context.signal, left.resolve) });
    const error = await failureOf(
      (async () => {
        for await (const _ of client.openStream({ signal: controller.signal })) controller.abort();
      })(),
    );
    expect(error).toMatchObject({ code: "canceled" });
    await left.promise;
  });

  async function* openStream(
    request: SubscribeEventsRequest,
    signal: AbortSignal,
    onLeft: () => void,
  ): AsyncGenerator<GatewayEvent> {
    signal.addEventListener("abort", onLeft);
    yield serverTime(request, RING);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  }
});

describe("subscribe rejects an event", () => {
  const ownUser = `user:${USER_ID}`;
  const later: [name: string, check: TrustCheck, forged: () => GatewayEvent][] = [
    ["for another user", "audience", () => event(RING, "user:u-2", "chat.message", {})],
    ["for another session", "audience", () => event(RING, "session:ds-2", "chat.message", {})],
    ["with an empty audience", "audience", () => event(RING, "", "chat.message", {})],
    ["for a user whose id starts with the own user id", "audience", () => event(RING, `${ownUser}0`, "chat.message", {})],
    [
      "whose audience was changed to the own user",
      "signature",
      () => altered(event(RING, "user:u-2", "chat.message", {}), { audience: ownUser }),
    ],
    [
      "whose type was changed",
      "signature",
      () => altered(event(RING, ownUser, "chat.message", {}), { eventType: "order.paid" }),
    ],
    ["whose id was changed", "signature", () => altered(event(RING, ownUser, "chat.message", {}), { eventId: "ev-0" })],
    [
      "whose payload was replaced",
      "payload_hash",
      () => ({ ...event(RING, ownUser, "chat.message", 1), payloadBytes: new Uint8Array([50]) }),
    ],
    ["signed by a key that the gateway does not publish", "key_unknown", () => event(FOREIGN, ownUser, "chat.message", {})],
    [
      "signed by a foreign key under the gateway's key_id",
      "signature",
      () => event(FOREIGN, ownUser, "chat.message", {}, { keyId: RING.keyId }),
    ],
    [
      "of another protocol version",
      "protocol_version",
      () => event(RING, ownUser, "chat.message", {}, { protocolVersion: "v2" }),
    ],
    ["without an envelope", "envelope_missing", () => create(GatewayEventSchema, {})],
  ];
  for (const [name, check, forged] of later) {
    test(name, async () => {
      const seen: string[] = [];
      const client = clientOf({
        subscribe: async function* (request) {
          yield serverTime(request, RING);
          yield forged();
          yield event(RING, ownUser, "chat.message", {});
        },
      });
      const read = async () => {
        for await (const { eventType } of client.openStream()) seen.push(eventType);
      };
      await expectUntrusted(read(), check);
      expect(seen).toEqual(["gateway.server_time"]);
    });
  }

  const first: [name: string, check: TrustCheck, forged: (request: SubscribeEventsRequest) => GatewayEvent[]][] = [
    ["of a stream that ends before gateway.server_time", "first_event", () => []],
    [
      "of a stream that starts with a backend event",
      "first_event",
      (request) => [event(RING, ownUser, "chat.message", {}), serverTime(request, RING)],
    ],
    [
      "of a stream that starts with a heartbeat",
      "first_event",
      () => [event(RING, "all", "gateway.heartbeat", { user_id: USER_ID })],
    ],
    [
      "of a stream of another session",
      "first_event",
      () => [event(RING, "session:ds-2", "gateway.server_time", { user_id: USER_ID })],
    ],
    [
      "of a stream whose first event has no user_id",
      "first_event",
      () => [event(RING, `session:${SESSION}`, "gateway.server_time", { user_id: "" })],
    ],
    [
      "of a replayed older stream of the same session",
      "request_id",
      () => [event(RING, `session:${SESSION}`, "gateway.server_time", { user_id: USER_ID, request_id: "an-older-one" })],
    ],
    ["of a stream whose first event is signed by a foreign key", "key_unknown", (request) => [serverTime(request, FOREIGN)]],
  ];
  for (const [name, check, forged] of first) {
    test(name, async () => {
      const client = clientOf({
        subscribe: async function* (request) {
          yield* forged(request);
        },
      });
      await expectUntrusted(collect(client.openStream()), check);
    });
  }

  function altered(forged: GatewayEvent, change: object): GatewayEvent {
    Object.assign(forged.envelope ?? {}, change);
    return forged;
  }
});
