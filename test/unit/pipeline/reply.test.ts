import { expect, test } from "bun:test";
import type { BackendCommand } from "../../../src/core/backend.ts";
import { sha256, verifyingKey } from "../../../src/crypto/ed25519.ts";
import { KeyRing } from "../../../src/crypto/key-ring.ts";
import { responseSigningInput } from "../../../src/crypto/signing-input.ts";
import { runCommand } from "../../../src/pipeline/command.ts";
import { admit } from "../../../src/pipeline/pipeline.ts";
import { signReply } from "../../../src/pipeline/reply.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { createPorts, incomingRequest, NOW, ROUTE, refusalOf } from "./support/fixture.ts";

const ring = new KeyRing({ current: new Uint8Array(32).fill(1) });
const clock = new ManualClock(NOW);
const headers = { acceptLanguage: "de", userAgent: "app/1", traceparent: undefined, tracestate: undefined };

test("a reply is bound to its request: its signature verifies for no other session, message type or request id", async () => {
  const admitted = await admit(incomingRequest(), createPorts().ports);
  const payloadBytes = new TextEncoder().encode('{"display_name":"Ada"}');
  const reply = signReply(admitted, { resultCode: "ok", payloadBytes }, ring, clock);
  expect(reply.envelope).toEqual({
    protocolVersion: "v1",
    requestId: "request-1",
    timestampMs: BigInt(NOW),
    resultCode: "ok",
    payloadHash: sha256(payloadBytes),
    keyId: ring.keyId,
  });
  const key = verifyingKey(Buffer.from(ring.jwks.keys[0]?.x ?? "", "base64url"));
  const bound = { ...reply.envelope, deviceSessionId: "session-1", messageType: "user.profile.get" };
  const verifies = (change: Partial<typeof bound>) =>
    key.verify(responseSigningInput({ ...bound, ...change }), reply.signature);
  expect(verifies({})).toBe(true);
  for (const change of [
    { deviceSessionId: "session-2" },
    { messageType: "user.profile.update" },
    { requestId: "request-2" },
    { resultCode: "denied" },
    { timestampMs: 1n },
    { payloadHash: new Uint8Array(32) },
    { keyId: "another" },
  ]) {
    expect(verifies(change)).toBe(false);
  }
});

test("the backend gets the user id of the verified session", async () => {
  const calls: BackendCommand[] = [];
  const execute = (command: BackendCommand) => {
    calls.push(command);
    return Promise.resolve({ resultCode: "ok", payloadBytes: new Uint8Array(0) });
  };
  const { ports } = createPorts({ backend: { route: () => ({ ...ROUTE, execute }) } });
  const admitted = await admit(incomingRequest(), ports);
  await runCommand(admitted, headers, ports, AbortSignal.timeout(1000));
  expect(calls).toMatchObject([
    { userId: "user-1", deviceSessionId: "session-1", requestId: "request-1", peerAddress: "192.0.2.1", ...headers },
  ]);
});

test("a message type without a route is refused without calling the backend", async () => {
  const { ports } = createPorts();
  const admitted = await admit(incomingRequest({ envelope: { messageType: "no.such.thing" } }), ports);
  const call = () => runCommand(admitted, headers, ports, AbortSignal.timeout(1000));
  expect(await refusalOf(call)).toMatchObject({ reason: "MESSAGE_TYPE_UNKNOWN" });
});
