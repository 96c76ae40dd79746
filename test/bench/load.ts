import { create, toBinary } from "@bufbuild/protobuf";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Child } from "./child.ts";

const CONNECTIONS = 16;

const privateKey = privateKeyObject(new Uint8Array(32).fill(7));
const payloadHash = sha256(new Uint8Array(0));

/** The key of the one device that makes the load: base64 of its 32 bytes. */
export const DEVICE_PUBLIC_KEY = Buffer.from(rawPublicKey(privateKey)).toString("base64");

/** Microseconds of the child's CPU for each of so many requests. */
export async function costOf(child: Child, requests: number): Promise<number> {
  const before = await child.cpuMicros();
  await send(child, requests);
  return ((await child.cpuMicros()) - before) / requests;
}

/** Sends so many fresh signed requests over a few connections; gives the length of the last answer. */
export async function send(child: Child, requests: number): Promise<number> {
  const bodies = Array.from({ length: requests }, signedRequest);
  const url = `http://127.0.0.1:${child.ready.port}/sallyport.v1.Gateway/ExecuteCommand`;
  let replyBytes = 0;
  const connection = async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      const response = await fetch(url, { method: "POST", body, headers: { "content-type": "application/proto" } });
      const reply = await response.bytes();
      if (!response.ok) throw new Error(`${response.status} ${new TextDecoder().decode(reply)}`);
      replyBytes = reply.byteLength;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return replyBytes;
}

function signedRequest(): Uint8Array<ArrayBuffer> {
  const envelope = {
    protocolVersion: "v1",
    deviceSessionId: "bench-session-1",
    messageType: "user.profile.get",
    timestampMs: BigInt(Date.now()),
    requestId: Bun.randomUUIDv7(),
    payloadHash,
  };
  const signature = signEd25519(requestSigningInput(envelope), privateKey);
  return toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, { envelope, signature }));
}
