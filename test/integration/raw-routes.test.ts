import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rawBody } from "../../src/backend/rest/answer-checks.ts";
import { HttpFailure } from "../../src/backend/rest/http-failure.ts";
import { readPayload } from "../../src/cli/payload-argument.ts";
import { SallyportClient } from "../../src/client/client.ts";
import { refusalOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { routes } from "../../src/config/routes.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** Routes whose payloads or answers are any bytes, such as protobuf or files. */

const PATH = "/api/v1/user/file";
const decoded = routes.decode([
  {
    message_type: "files.echo",
    put: PATH,
    request: "raw",
    response: "raw",
    request_content_type: "image/png",
    keep_answer_ms: 60_000,
  },
  { message_type: "files.put", post: PATH, request: "raw", payload_bytes_max: 300 },
  { message_type: "files.get", get: PATH, response: "raw", response_content_type: "application/pdf" },
]);
/** Every byte, no UTF-8, no JSON. */
const BYTES = Uint8Array.from({ length: 256 }, (_, at) => 255 - at);

let world: World;
beforeAll(async () => {
  world = await openWorld({ routes: decoded.ok ? decoded.value : [] });
});
afterAll(() => world.close());

describe.each(VARIANTS)("$name", (variant) => {
  const open = async () =>
    new SallyportClient({
      transport: world.transport(variant),
      credentials: await world.login(),
      keys: new GatewayKeys(world.gateway.edgeUrl),
    });
  /** The backend answers with these bytes, and records what it got. */
  const answering = (body: Uint8Array<ArrayBuffer> | string, type: string, status = 200) => {
    const seen: unknown[] = [];
    world.faults.on(PATH, async (request) => {
      const { headers } = request;
      seen.push([headers.get("content-type"), headers.get("accept"), await request.bytes()]);
      return new Response(body, { status, headers: { "content-type": type } });
    });
    return seen;
  };
  const reasonOf = async (work: Promise<unknown>) => refusalOf(await work.catch((error: unknown) => error))?.reason;

  test("all bytes reach the backend and come back as they are, also an empty payload", async () => {
    const client = await open();
    const seen = answering(BYTES, "application/octet-stream");
    expect((await client.execute("files.echo", BYTES)).payloadBytes).toEqual(BYTES);
    expect((await client.execute("files.echo")).payloadBytes).toEqual(BYTES);
    expect(seen).toEqual([
      ["image/png", "*/*", BYTES],
      ["image/png", "*/*", new Uint8Array()],
    ]);
    answering("", "text/plain");
    expect((await client.execute("files.echo", BYTES)).payloadBytes).toEqual(new Uint8Array());
  });

  test("a kept answer has the same bytes", async () => {
    const client = await open();
    const idempotencyKey = crypto.randomUUID();
    const seen = answering(BYTES, "image/png");
    for (let call = 0; call < 2; call++)
      expect((await client.execute("files.echo", BYTES, { idempotencyKey })).payloadBytes).toEqual(BYTES);
    expect(seen).toHaveLength(1);
  });

  test("a raw payload with JSON answers has the default type and the limit of its route", async () => {
    const client = await open();
    const seen = answering('{"id":7}', "application/json");
    expect((await client.execute("files.put", BYTES)).payload).toEqual({ id: 7 });
    expect(seen).toEqual([["application/octet-stream", "application/json", BYTES]]);
    expect(await reasonOf(client.execute("files.put", new Uint8Array(301)))).toBe("REQUEST_TOO_LARGE");
    answering(BYTES, "application/octet-stream");
    expect(await reasonOf(client.execute("files.put", BYTES))).toBe("BACKEND_BAD_RESPONSE");
    expect(seen).toHaveLength(1);
  });

  test("an answer of another type than the route's is refused; a business error is JSON", async () => {
    const client = await open();
    const seen = answering(BYTES, "Application/PDF; version=2");
    expect((await client.execute("files.get", {})).payloadBytes).toEqual(BYTES);
    expect(seen).toMatchObject([[null, "application/pdf, application/json;q=0.5", new Uint8Array()]]);
    answering(BYTES, "text/html");
    expect(await reasonOf(client.execute("files.get", {}))).toBe("BACKEND_BAD_RESPONSE");
    answering('{"code":"no_file"}', "application/json", 404);
    expect((await client.execute("files.get", {})).resultCode).toBe("no_file");
    answering(BYTES, "application/pdf", 404);
    expect(await reasonOf(client.execute("files.get", {}))).toBe("BACKEND_BAD_RESPONSE");
    expect(await reasonOf(client.execute("files.get", BYTES))).toBe("PAYLOAD_INVALID");
  });
});

test("a raw answer without a length may be truncated, so it is not passed on", () => {
  const answer = (headers: Record<string, string>, status = 200) => ({ status, headers: new Headers(headers), body: BYTES });
  for (const headers of [{}, { "content-type": "image/png" }, { "content-type": "application/json" }])
    expect(() => rawBody(answer(headers), undefined)).toThrow(HttpFailure);
  expect(rawBody(answer({ "content-length": "256" }), undefined)).toBe(BYTES);
  expect(rawBody(answer({ "transfer-encoding": "chunked" }), undefined)).toBe(BYTES);
  expect(rawBody(answer({}, 204), "image/png")).toBe(BYTES);
});

describe("a route whose raw bytes contradict another setting is refused with message type and line", () => {
  const post = "post = '/api/v1/user/x'\n";
  test.each([
    ["get = '/api/v1/user/x'\nrequest = 'raw'\n", "request (g.toml:4): a.b: raw bytes are a body, and a GET has none"],
    ["delete = '/api/v1/user/x'\nrequest = 'raw'\n", "request (g.toml:4): a.b: raw bytes are a body, and a DELETE has none"],
    [
      "post = '/api/v1/user/{x.y}'\nrequest = 'raw'\n",
      "request (g.toml:4): a.b: raw bytes have no field for {x.y} of the path",
    ],
    [`${post}request = 'raw'\nbody = 'file'\n`, "body (g.toml:5): a.b: raw bytes have no fields"],
    [`${post}request = 'raw'\nschema = 'order.json'\n`, "schema (g.toml:5): a.b: raw bytes have no schema"],
    [`${post}request_content_type = 'image/png'\n`, "request_content_type (g.toml:4): a.b: a JSON payload"],
    [`${post}response_content_type = 'image/png'\n`, "response_content_type (g.toml:4): a.b: a JSON answer"],
    [`${post}response = 'raw'\nresponse_body = 'file'\n`, "response_body (g.toml:5): a.b: raw bytes are the whole payload"],
    [`${post}request = 'bytes'\n`, "request (g.toml:4): a.b: got"],
    [`${post}request = 'raw'\nrequest_content_type = "a/b\\r\\nx: y"\n`, "request_content_type (g.toml:5): a.b: got"],
  ])("%s", (call, problem) => {
    const text = `[[routes]]\nmessage_type = 'a.b'\n${call}`;
    let problems: readonly string[] = [];
    try {
      loadConfig({ env: {}, argv: ["--config", "g.toml"], readFile: () => text });
    } catch (error) {
      problems = error instanceof ConfigError ? error.problems : [String(error)];
    }
    expect(problems.join("\n")).toStartWith(`routes[0].${problem}`);
  });
});

test("sallyport call sends any bytes with --raw-payload, and only JSON without", async () => {
  const { signal } = new AbortController();
  expect(await readPayload("no json", true, signal)).toEqual(new Uint8Array(Buffer.from("no json")));
  expect(await readPayload(`@${import.meta.path}`, true, signal)).toEqual(
    new Uint8Array(await Bun.file(import.meta.path).arrayBuffer()),
  );
  expect(readPayload("no json", false, signal)).rejects.toThrow("is not valid");
});
