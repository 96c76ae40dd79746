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
import { clientOf, collect, DEVICE_KEY, expectUntrusted, failureOf, RING, SESSION, STRANGER } from "./test-client.ts";

describe("subscribe", () => {
  function streaming(...after: GatewayEvent[]): SallyportClient {
    return clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        yield* after;
      },
    });
  }

  test("brings the events of our session, our user and all, in order", async () => {
    const message = event(RING, `user:${USER_ID}`, "chat.message", { text: "hello" }, { eventId: "ev-7" });
    const events = await collect(
      streaming(
        message,
        event(RING, "all", "gateway.heartbeat", {}),
        event(RING, `session:${SESSION}`, "order.ready", 1),
      ).subscribe(),
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

  test("signs for the subscription alone, and says from where to resume", async () => {
    const requests: SubscribeEventsRequest[] = [];
    const client = clientOf({
      subscribe: async function* (request) {
        requests.push(request);
        yield serverTime(request, RING);
      },
    });
    await collect(client.subscribe());
    await collect(client.subscribe({ resumeAfter: "ev-7" }));
    expect(requests.map((request) => new TextDecoder().decode(request.payloadBytes))).toEqual(["", '{"resume_after":"ev-7"}']);
    for (const request of requests) {
      expect(envelopeOf(request).messageType).toBe("gateway.subscribe");
      expect(verifyingKey(DEVICE_KEY.publicKey).verify(requestSigningInput(envelopeOf(request)), request.signature)).toBe(true);
    }
  });

  test("is not cut by the time limit that a transport has for calls", async () => {
    const timeouts: unknown[] = [];
    const handlers: FakeHandlers = {
      subscribe: async function* (request, context) {
        timeouts.push(context.timeoutMs());
        yield serverTime(request, RING);
      },
    };
    const transport = transportTo(handlers, { defaultTimeoutMs: 60_000 });
    await collect(clientOf(handlers, { transport }).subscribe());
    expect(timeouts).toEqual([undefined]);
  });

  test("ends with the gateway's own reason, after the events before it", async () => {
    const client = clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        throw refusal("SHUTTING_DOWN", Code.Unavailable);
      },
    });
    const seen: string[] = [];
    const error = await failureOf(
      (async () => {
        for await (const { eventType } of client.subscribe()) seen.push(eventType);
      })(),
    );
    expect(seen).toEqual(["gateway.server_time"]);
    expect(reasonOf(error)).toBe("SHUTTING_DOWN");
  });

  test("tells the gateway when the reader leaves the loop, so that no stream is left open", async () => {
    const left = Promise.withResolvers<void>();
    const client = clientOf({ subscribe: (request, context) => openStream(request, context.signal, left.resolve) });
    for await (const { eventType } of client.subscribe()) {
      expect(eventType).toBe("gateway.server_time");
      break;
    }
    await left.promise;
  });

  test("ends when it is aborted while it waits", async () => {
    const left = Promise.withResolvers<void>();
    const controller = new AbortController();
    const client = clientOf({ subscribe: (request, context) => openStream(request, context.signal, left.resolve) });
    const error = await failureOf(
      (async () => {
        for await (const _ of client.subscribe({ signal: controller.signal })) controller.abort();
      })(),
    );
    expect(error).toMatchObject({ code: Code.Canceled });
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

describe("subscribe hands out no event", () => {
  const ours = `user:${USER_ID}`;
  const later: [name: string, check: TrustCheck, forged: () => GatewayEvent][] = [
    ["for another user", "audience", () => event(RING, "user:u-2", "chat.message", {})],
    ["for another session", "audience", () => event(RING, "session:ds-2", "chat.message", {})],
    ["for nobody", "audience", () => event(RING, "", "chat.message", {})],
    ["for a user whose id only begins like ours", "audience", () => event(RING, `${ours}0`, "chat.message", {})],
    [
      "whose audience was changed to us",
      "signature",
      () => altered(event(RING, "user:u-2", "chat.message", {}), { audience: ours }),
    ],
    ["whose type was changed", "signature", () => altered(event(RING, ours, "chat.message", {}), { eventType: "order.paid" })],
    ["whose id was changed", "signature", () => altered(event(RING, ours, "chat.message", {}), { eventId: "ev-0" })],
    [
      "whose payload was swapped",
      "payload_hash",
      () => ({ ...event(RING, ours, "chat.message", 1), payloadBytes: new Uint8Array([50]) }),
    ],
    ["by a key that is not the gateway's", "key_unknown", () => event(STRANGER, ours, "chat.message", {})],
    [
      "by a stranger in the name of the gateway's key",
      "signature",
      () => event(STRANGER, ours, "chat.message", {}, { keyId: RING.keyId }),
    ],
    ["of another protocol version", "protocol_version", () => event(RING, ours, "chat.message", {}, { protocolVersion: "v2" })],
    ["without an envelope", "envelope_missing", () => create(GatewayEventSchema, {})],
  ];
  for (const [name, check, forged] of later) {
    test(name, async () => {
      const seen: string[] = [];
      const client = clientOf({
        subscribe: async function* (request) {
          yield serverTime(request, RING);
          yield forged();
          yield event(RING, ours, "chat.message", {});
        },
      });
      const read = async () => {
        for await (const { eventType } of client.subscribe()) seen.push(eventType);
      };
      await expectUntrusted(read(), check);
      expect(seen).toEqual(["gateway.server_time"]);
    });
  }

  const first: [name: string, check: TrustCheck, forged: (request: SubscribeEventsRequest) => GatewayEvent[]][] = [
    ["of a stream that ends before gateway.server_time", "first_event", () => []],
    [
      "of a stream that begins with something else",
      "first_event",
      (request) => [event(RING, ours, "chat.message", {}), serverTime(request, RING)],
    ],
    [
      "of a stream that begins with a heartbeat",
      "first_event",
      () => [event(RING, "all", "gateway.heartbeat", { user_id: USER_ID })],
    ],
    [
      "of another session's stream",
      "first_event",
      () => [event(RING, "session:ds-2", "gateway.server_time", { user_id: USER_ID })],
    ],
    [
      "of a stream that does not say who we are",
      "first_event",
      () => [event(RING, `session:${SESSION}`, "gateway.server_time", { user_id: "" })],
    ],
    [
      "of an older stream of ours, played again",
      "request_id",
      () => [event(RING, `session:${SESSION}`, "gateway.server_time", { user_id: USER_ID, request_id: "an-older-one" })],
    ],
    ["of a stream that a stranger opens", "key_unknown", (request) => [serverTime(request, STRANGER)]],
  ];
  for (const [name, check, forged] of first) {
    test(name, async () => {
      const client = clientOf({
        subscribe: async function* (request) {
          yield* forged(request);
        },
      });
      await expectUntrusted(collect(client.subscribe()), check);
    });
  }

  function altered(forged: GatewayEvent, change: object): GatewayEvent {
    Object.assign(forged.envelope ?? {}, change);
    return forged;
  }
});

describe("an event that is played again", () => {
  const mine = `user:${USER_ID}`;

  /** A client, each of whose streams brings what is next in `script`; what it hands out, by event id. */
  function player(script: GatewayEvent[][], opening: object = {}) {
    const client = clientOf({
      subscribe: async function* (request) {
        const { deviceSessionId, requestId } = envelopeOf(request);
        const payload = { server_time_ms: NOW_MS, request_id: requestId, user_id: USER_ID, resumed: false, ...opening };
        yield event(RING, `session:${deviceSessionId}`, "gateway.server_time", payload);
        yield* script.shift() ?? [];
      },
    });
    return async (resumeAfter?: string) => {
      const events = await collect(client.subscribe({ resumeAfter }));
      return events.slice(1).map(({ eventId }) => eventId);
    };
  }
  const numbered = (n: number, change: { timestampMs?: bigint } = {}) =>
    event(RING, mine, "chat.message", { n }, { eventId: `ev-${n}`, ...change });
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => numbered(n));
  if (!one || !two || !three || !four) throw new Error("four events");

  test("inside a later stream is dropped, and what follows is not", async () => {
    const read = player([
      [one, two],
      [two, one, three],
      [three, four, one],
    ]);
    expect(await read()).toEqual(["ev-1", "ev-2"]);
    expect(await read()).toEqual(["ev-3"]);
    expect(await read()).toEqual(["ev-4"]);
  });

  test("inside its own stream is dropped", async () => {
    expect(await player([[one, two, one, two, three]])()).toEqual(["ev-1", "ev-2", "ev-3"]);
  });

  test("is no replay where the app resumes from before it: it has not been taken in", async () => {
    const read = player(
      [
        [one, two, three],
        [two, three, one, four],
      ],
      { resumed: true },
    );
    expect(await read()).toEqual(["ev-1", "ev-2", "ev-3"]);
    expect(await read("ev-1")).toEqual(["ev-2", "ev-3", "ev-4"]);
  });

  test("out of a time before the stream and before this client is dropped, unless the stream resumes", async () => {
    const old = numbered(0, { timestampMs: BigInt(NOW_MS - 60_001) });
    const recent = numbered(9, { timestampMs: BigInt(NOW_MS - 60_000) });
    expect(await player([[old, recent, one]])()).toEqual(["ev-9", "ev-1"]);
    expect(await player([[old, one]], { resumed: true })("ev-00")).toEqual(["ev-0", "ev-1"]);
    expect(await player([[old, one]])("ev-00")).toEqual(["ev-1"]);
  });

  test("is dropped after thousands of others", async () => {
    const many = Array.from({ length: 4096 }, (_, n) => numbered(n + 100));
    const read = player([
      [one, ...many],
      [one, numbered(100)],
    ]);
    expect(await read()).toHaveLength(4097);
    expect(await read()).toEqual([]);
  });

  test("is not taken for one of another payload or kind that has its id", async () => {
    const [other, kind] = [numbered(1), event(RING, mine, "chat.left", { n: 1 }, { eventId: "ev-1" })];
    const changed = event(RING, mine, "chat.message", { n: "one" }, { eventId: "ev-1" });
    const read = player([[one], [changed, kind, other]]);
    expect(await read()).toEqual(["ev-1"]);
    expect(await read()).toEqual(["ev-1", "ev-1"]);
  });

  test("is none where two streams are open at the same time: each brings it", async () => {
    const both = Promise.withResolvers<void>();
    let open = 0;
    const client = clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        if (++open === 2) both.resolve();
        await both.promise;
        yield one;
      },
    });
    const ids = await Promise.all([collect(client.subscribe()), collect(client.subscribe())]);
    expect(ids.map((events) => events.slice(1).map(({ eventId }) => eventId))).toEqual([["ev-1"], ["ev-1"]]);
  });
});
