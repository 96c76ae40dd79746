import { create, toBinary } from "@bufbuild/protobuf";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { type Child, startChild } from "./child.ts";

const CONNECTIONS = 16;
const BOUND = 1.6;

const seed = new Uint8Array(32).fill(7);
const privateKey = privateKeyObject(seed);
const payloadHash = sha256(new Uint8Array(0));

/** ExecuteCommand over Connect proto and HTTP/1.1, end to end, against the floor: CPU of the whole process per request. */
export const execute: Benchmark = {
  name: "execute",
  about: "CPU per ExecuteCommand against one verify, one sign, two SHA-256, one Bun.serve echo and one fetch",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, requests, warmUp } =
      scale === "full" ? { rounds: 7, requests: 4000, warmUp: 30000 } : { rounds: 1, requests: 64, warmUp: 32 };
    const publicKey = Buffer.from(rawPublicKey(privateKey)).toString("base64");
    const backend = await startChild("backend", { publicKey });
    const backendUrl = `http://127.0.0.1:${backend.ready.port}`;
    const gateway = await startChild("gateway", { backendUrl, pushUrl: backend.ready.pushUrl, logLevel: "info" });
    const replyBytes = await send(gateway, 1);
    const floor = await startChild("floor", { backendUrl, replyBytes });
    try {
      for (const child of [floor, gateway]) await send(child, warmUp);
      const perRound: { floor: number; gateway: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        perRound.push({ floor: await costOf(floor, requests), gateway: await costOf(gateway, requests) });
      }
      return [
        { figure: "floor", value: median(perRound.map((each) => each.floor)), unit: "us" },
        { figure: "gateway", value: median(perRound.map((each) => each.gateway)), unit: "us" },
        { figure: "ratio", value: median(perRound.map((each) => each.gateway / each.floor)), unit: "ratio", bound: BOUND },
      ];
    } finally {
      await Promise.all([backend, gateway, floor].map((child) => child.stop()));
    }
  },
};

/** Microseconds of the child's CPU for each of so many requests. */
async function costOf(child: Child, requests: number): Promise<number> {
  const before = await child.cpuMicros();
  await send(child, requests);
  return ((await child.cpuMicros()) - before) / requests;
}

/** Sends so many fresh signed requests over a few connections; gives the length of the last answer. */
async function send(child: Child, requests: number): Promise<number> {
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
