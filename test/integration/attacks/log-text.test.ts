import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { brotliCompressSync } from "node:zlib";
import { until } from "../../support/until.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Text of a client's body never reaches the log, because it may contain a password. */

const LOGIN = "/api/v1/public/auth/confirm-email-code";
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";

const BROKEN_JSON = [
  '{"code":hunter2}',
  "{'hunter2':1}",
  '"hunter2',
  "hunter2",
  '{"code":"hunter2',
  '{"code":"\\hunter2"}',
  '{"hunter2":1,"hunter2":2}',
  '["hunter2"]',
  '{"envelope":"hunter2"}',
  '{"envelope":["hunter2"]}',
  '{"envelope":{"timestampMs":"hunter2"}}',
  '{"envelope":{"timestampMs":{"hunter2":1}}}',
  '{"envelope":{"payloadHash":"hunter2!"}}',
  '{"envelope":{"messageType":["hunter2"]}}',
  '{"payloadBytes":"hunter2!","signature":{}}',
  '{"envelope":{"messageType":"\\u202ehunter2 x","requestId":"hunter2 \\u202e","deviceSessionId":"hunter2/"}}',
  '{"envelope":{"protocolVersion":"hunter2"}}',
];

describe.each(["own-port", "same-port"] as const)("with edge.grpc = %s", (grpc) => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ "edge.grpc": grpc });
  });
  afterAll(() => world.close());

  async function send(path: string, type: string, body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}) {
    const init = { method: "POST", body: body as BodyInit, headers: { "content-type": type, ...headers } };
    const answer = await fetch(`${world.gateway.edgeUrl}${path}`, init);
    await answer.bytes();
  }

  function frame(body: string): Uint8Array {
    const bytes = Buffer.from(body);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  }

  test("for an undecodable body, only the kind of error is logged, in every protocol and in public REST", async () => {
    for (const body of BROKEN_JSON) {
      await send(LOGIN, "application/json", body);
      await send(EXECUTE, "application/json", body);
      await send(EXECUTE, "application/grpc-web+json", frame(body));
      await send(EXECUTE, "application/proto", body);
      await send(SUBSCRIBE, "application/connect+json", frame(body));
      await send("/sallyport.v1.Gateway/hunter2", "application/json", body);
    }
    await until(
      () => (world.logged().match(/"msg":"(RPC|public REST call) finished"/g)?.length ?? 0) >= 5 * BROKEN_JSON.length,
      "the log lines",
    );
    expect(world.logged()).not.toContain("hunter2");
    expect(world.logged()).toContain("SyntaxError: ");
  });

  test("a short request makes a short log line", async () => {
    const bomb = `{"envelope":{"timestampMs":"${"9".repeat(500_000)}"}}`;
    const before = world.logged().length;
    await send(EXECUTE, "application/json", brotliCompressSync(bomb), { "content-encoding": "br" });
    await until(() => world.logged().length > before, "the log lines");
    for (const line of world.logged().slice(before).split("\n")) expect(line.length).toBeLessThan(600);
  });
});
