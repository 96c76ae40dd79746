import { afterAll, beforeAll, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** Payloads that the gateway and a backend, or two backends, may read differently. */

const BACKEND_PATH = "/api/v1/user/odd";
const METHODS = ["POST", "PUT", "PATCH", "GET", "DELETE"] as const;

let world: World;
let device: Device;
const calls: { readonly query: string; readonly body: string }[] = [];
beforeAll(async () => {
  const routes = METHODS.map(
    (method) => ({ message_type: `odd.${method.toLowerCase()}`, method, path: BACKEND_PATH }) as const,
  );
  world = await openWorld({ routes });
  device = await world.login();
  world.faults.on(BACKEND_PATH, async (request) => {
    calls.push({ query: new URL(request.url).search, body: await request.text() });
    return Response.json({});
  });
});
afterAll(() => world.close());

const [anyVariant = expect.unreachable()] = VARIANTS;

async function attempt(method: string, payload: string | Uint8Array) {
  const request = await device.signer.sign(`odd.${method.toLowerCase()}`, Buffer.from(payload));
  const client = createClient(Gateway, world.transport(anyVariant));
  const outcome = await client.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf);
  return { outcome, seen: calls.splice(0) };
}

const AMBIGUOUS: readonly (string | Uint8Array)[] = [
  ...[
    '{"amount":1,"amount":1000}',
    '{"a":[{"amount":1,"amount":1000}]}',
    "not json",
    '{"a":1}{"a":2}',
    '\ufeff{"a":1}',
    "[",
    '{"a":"\\ud800"}',
  ],
  ...[new Uint8Array([0xff, 0xfe]), new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "[".repeat(200_000)],
];

test.each(METHODS)("%s: an ambiguous payload never reaches the backend", async (method) => {
  for (const payload of AMBIGUOUS) expect(await attempt(method, payload)).toEqual({ outcome: "PAYLOAD_INVALID", seen: [] });
});

test.each(["POST", "PUT", "PATCH"])("%s: the backend gets the signed bytes", async (method) => {
  for (const payload of [' { "n" : 0.12345678901234567890, "z":-0 }\n', "[1E400]", '"text"']) {
    expect(await attempt(method, payload)).toEqual({ outcome: "ok", seen: [{ query: "", body: payload }] });
  }
  expect(await attempt(method, "")).toEqual({ outcome: "ok", seen: [{ query: "", body: "{}" }] });
});

test.each(["GET", "DELETE"])("%s: the backend gets every number as signed", async (method) => {
  const numbers = ["0.12345678901234567890", "9007199254740993", "-0", "1E400", "1.0"];
  const query = `?a=${numbers.join("&a=")}&b=${numbers[0]}`;
  expect(await attempt(method, `{"a":[${numbers.join(" , ")}],"b":${numbers[0]}}`)).toEqual({
    outcome: "ok",
    seen: [{ query, body: "" }],
  });
});
