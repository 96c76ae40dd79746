import { describe, expect, test } from "bun:test";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { isStrictPublicKey } from "../../../src/crypto/public-key.ts";
import { eventSigningInput } from "../../../src/crypto/signing-input.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { createHub, event, NOW, refusalOf, ring, shutDown } from "./support/hub-fixture.ts";

const gatewayKey = Buffer.from(ring.jwks.keys[0]?.x ?? "", "base64url");

describe("a stream", () => {
  test("starts with a gateway.server_time for its session that names its request", () => {
    const { subscribe } = createHub();
    const [first] = subscribe("s-1", "u-1").events;
    expect(first?.envelope).toMatchObject({
      eventType: "gateway.server_time",
      audience: "session:s-1",
      timestampMs: BigInt(NOW),
    });
    expect(JSON.parse(new TextDecoder().decode(first?.payloadBytes))).toEqual({
      server_time_ms: NOW,
      request_id: "request-of-s-1",
      user_id: "u-1",
      heartbeat_interval_ms: 25_000,
      resumed: false,
    });
  });

  test("is removed when its client disconnects, and gets no more events", () => {
    const { hub, subscribe, streams } = createHub();
    const sink = subscribe("s-1", "u-1");
    sink.disconnect();
    hub.publish(event({ userId: "u-1" }));
    expect({ streams: streams(), types: sink.types, ends: sink.ends }).toEqual({
      streams: 0,
      types: ["gateway.server_time"],
      ends: [],
    });
  });

  test("is not kept if its client disconnected before it was registered", () => {
    const { hub, subscribe, streams } = createHub();
    const sink = new FakeSink();
    sink.disconnect();
    subscribe("s-1", "u-1", sink);
    expect(streams()).toBe(0);
    hub.publish(event({ userId: "u-1" }));
    hub.publish(event({ deviceSessionId: "s-1" }));
    expect(sink.frames).toEqual([]);
  });
});

describe("an event", () => {
  test("for a user reaches the streams of all its sessions, and of no other user, in the order of publication", () => {
    const { hub, subscribe } = createHub();
    const mine = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1"), subscribe("s-2", "u-1")];
    const other = subscribe("s-3", "u-2");
    for (const eventId of ["e-1", "e-2", "e-3"]) hub.publish(event({ userId: "u-1", eventId }));
    for (const sink of mine)
      expect(sink.events.slice(1).map(({ envelope }) => envelope?.eventId)).toEqual(["e-1", "e-2", "e-3"]);
    expect(other.types).toEqual(["gateway.server_time"]);
    expect(mine[0]?.events[1]?.envelope?.audience).toBe("user:u-1");
  });

  test("for a session reaches that session only, even if it also names a user", () => {
    const { hub, subscribe } = createHub();
    const [to, sibling] = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1")];
    hub.publish(event({ userId: "u-1", deviceSessionId: "s-1" }));
    expect(to.events[1]?.envelope?.audience).toBe("session:s-1");
    expect(sibling.types).toEqual(["gateway.server_time"]);
  });

  test("is signed once and encoded once per codec and in base64: all streams share the same array", () => {
    const { hub, subscribe, signatures } = createHub();
    const open = (name: string, ...form: ConstructorParameters<typeof FakeSink>) =>
      Array.from({ length: 20 }, (_, n) => subscribe(`${name}-${n}`, "u-1", new FakeSink(...form)));
    const forms = [open("p", "proto"), open("j", "json", "grpc-web"), open("t", "proto", "grpc-web-text")];
    const before = signatures();
    hub.publish(event({ userId: "u-1" }));
    expect(signatures() - before).toBe(1);
    for (const sinks of forms) {
      const frames = new Set(sinks.map(({ frames: [, frame] }) => frame));
      expect(frames.size).toBe(1);
      expect([...frames][0]).toBeInstanceOf(Uint8Array);
    }
    expect(new Set(forms.map(([sink]) => sink?.frames[1])).size).toBe(3);
    const [proto, ...others] = forms.map(([sink]) => sink?.events[1]);
    for (const other of others) expect(other).toEqual(proto ?? expect.unreachable());
  });

  test("verifies with the gateway's key", () => {
    const { hub, subscribe } = createHub();
    const sink = subscribe("s-1", "u-1");
    hub.publish(event({ userId: "u-1" }));
    expect(isStrictPublicKey(gatewayKey)).toBe(true);
    for (const { envelope, signature } of sink.events) {
      expect(verifyingKey(gatewayKey).verify(eventSigningInput(envelope ?? expect.unreachable()), signature)).toBe(true);
    }
  });

  test("is not signed if no stream is open for its audience", () => {
    const { hub, subscribe, signatures } = createHub();
    subscribe("s-1", "u-1");
    const before = signatures();
    hub.publish(event({ userId: "u-2" }));
    hub.publish(event({ deviceSessionId: "s-2" }));
    hub.publish(event({}));
    expect(signatures()).toBe(before);
  });

  test("without an id gets one id for all streams", () => {
    const { hub, subscribe } = createHub();
    const sinks = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1")];
    hub.publish(event({ userId: "u-1", eventId: "" }));
    const ids = sinks.map((sink) => sink.events[1]?.envelope?.eventId);
    expect(ids[0]).toMatch(/^made-/);
    expect(ids[0]).toBe(ids[1]);
  });
});

describe("a revocation", () => {
  test("of a session ends the streams of that session only", () => {
    const { hub, subscribe, streams } = createHub();
    const [first, second, other] = [subscribe("s-1", "u-1"), subscribe("s-1", "u-1"), subscribe("s-2", "u-1")];
    hub.revoke({ deviceSessionId: "s-1", userId: "u-1" });
    expect([first.ends, second.ends, other.ends]).toEqual([["SESSION_REVOKED"], ["SESSION_REVOKED"], []]);
    expect(streams()).toBe(1);
  });

  test("of a user ends the streams of all its sessions", () => {
    const { hub, subscribe } = createHub();
    const [mine, other] = [[subscribe("s-1", "u-1"), subscribe("s-2", "u-1")], subscribe("s-3", "u-2")];
    hub.revoke({ userId: "u-1" });
    expect(mine.map(({ ends }) => ends)).toEqual([["SESSION_REVOKED"], ["SESSION_REVOKED"]]);
    expect(other.ends).toEqual([]);
  });

  test("without a session and a user ends no stream", () => {
    const { hub, subscribe, streams } = createHub();
    subscribe("s-1", "u-1");
    hub.revoke({});
    hub.revoke({ userId: "", deviceSessionId: "" });
    expect(streams()).toBe(1);
  });

  test("after the session look-up refuses the stream with SESSION_REVOKED", () => {
    const { subscribe, revocations, streams } = createHub();
    const mark = revocations.mark();
    revocations.append({ userId: "u-1" });
    expect(refusalOf(() => subscribe("s-1", "u-1", new FakeSink(), { mark }))).toBe("SESSION_REVOKED");
    expect(streams()).toBe(0);
  });

  test("that may have been evicted from the log refuses the stream with SESSION_LOOKUP_UNAVAILABLE", () => {
    const { subscribe, revocations, streams } = createHub();
    const mark = revocations.mark();
    for (let n = 0; n < 5; n++) revocations.append({ userId: "u-2" });
    const sink = new FakeSink();
    expect(refusalOf(() => subscribe("s-1", "u-1", sink, { mark }))).toBe("SESSION_LOOKUP_UNAVAILABLE");
    expect([streams(), sink.frames.length]).toEqual([0, 0]);
  });
});

describe("shutdown", () => {
  test("ends every stream once with SHUTTING_DOWN, and refuses new ones", () => {
    const { hub, subscribe, streams } = createHub();
    const sinks = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1"), subscribe("s-3", "u-2", new FakeSink("json", "grpc-web"))];
    expect(streams()).toBe(3);
    shutDown(hub);
    shutDown(hub);
    hub.revoke({ userId: "u-1" });
    expect(sinks.map(({ ends }) => ends)).toEqual([["SHUTTING_DOWN"], ["SHUTTING_DOWN"], ["SHUTTING_DOWN"]]);
    expect(streams()).toBe(0);
    expect(refusalOf(() => subscribe("s-4", "u-1"))).toBe("SHUTTING_DOWN");
  });
});
