import { afterAll, beforeAll, expect, test } from "bun:test";
import { SallyportClient } from "../../src/client/client.ts";
import { refusalOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { routes } from "../../src/config/routes.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** Routes in the terms of google.api.http, in front of a service with paths and identity headers of its own. */

const decoded = routes.decode([
  { message_type: "rooms.get", get: "/v2/rooms/{room.id}" },
  { message_type: "rooms.rename", patch: "/v2/rooms/{room.id}:rename", body: "*" },
  { message_type: "files.put", put: "/v2/files/{path=**}", body: "content" },
  { message_type: "jobs.list", get: "/v2/jobs", response_body: "jobs" },
]);

let world: World;
let client: SallyportClient;
let userId: string;
let seen: Request | undefined;

beforeAll(async () => {
  world = await openWorld({
    routes: decoded.ok ? decoded.value : [],
    "backend.route_prefixes": ["/v2/"],
    "backend.identity_headers.user_id": "X-Account",
    "backend.identity_headers.device_session_id": "X-Device",
    "backend.identity_headers.request_id": "X-Correlation-Id",
    "backend.identity_headers.idempotency_key": "X-Once",
    "backend.identity_headers.peer_address": "X-Real-IP",
  });
  const device = await world.login();
  userId = device.userId;
  const [variant] = VARIANTS;
  client = new SallyportClient({
    transport: world.transport(variant ?? expect.unreachable()),
    credentials: device,
    keys: new GatewayKeys(world.gateway.edgeUrl),
  });
  for (const path of ["/v2/rooms/7", "/v2/rooms/7:rename", "/v2/files/a/b%20c.txt"]) {
    world.faults.on(path, async (request) => {
      seen = request.clone();
      const { pathname, search } = new URL(request.url);
      return Response.json({ call: `${request.method} ${pathname}${search}`, body: await request.text() });
    });
  }
});
afterAll(() => world.close());

test("a client's payload becomes the call of its route, and the headers carry the identity under the configured names", async () => {
  const { payload } = await client.execute("rooms.get", { room: { id: 7, part: "members" }, tag: ["a", "b"] });
  expect(payload).toEqual({ call: "GET /v2/rooms/7?room.part=members&tag=a&tag=b", body: "" });
  const headers = seen?.headers;
  expect(headers?.get("x-account")).toBe(userId);
  expect(headers?.get("x-device")).toMatch(/./);
  expect(headers?.get("x-correlation-id")).toBe(headers?.get("x-once") ?? "");
  expect(headers?.get("x-real-ip")).toBe("127.0.0.1");
  for (const name of ["x-user-id", "x-device-session-id", "x-request-id", "idempotency-key", "x-forwarded-for"]) {
    expect(headers?.has(name)).toBe(false);
  }
});

test("verbs, nested variables, multi-segment paths and a field as the body", async () => {
  expect((await client.execute("rooms.rename", { room: { id: "7", title: "x" }, notify: true })).payload).toEqual({
    call: "PATCH /v2/rooms/7:rename",
    body: '{"room":{"title":"x"},"notify":true}',
  });
  expect((await client.execute("files.put", { path: "a/b c.txt", content: [1, 2], keep: false })).payload).toEqual({
    call: "PUT /v2/files/a/b%20c.txt?keep=false",
    body: "[1,2]",
  });
});

test("with response_body, the backend's body is one field of the client's payload", async () => {
  world.faults.on("/v2/jobs", () => Response.json([{ id: 1 }]));
  expect((await client.execute("jobs.list")).payload).toEqual({ jobs: [{ id: 1 }] });
  world.faults.on("/v2/jobs", () => new Response(null, { status: 204 }));
  expect((await client.execute("jobs.list")).payload).toEqual({});
  world.faults.on("/v2/jobs", () => Response.json({ code: "closed" }, { status: 409 }));
  expect(await client.execute("jobs.list")).toMatchObject({ resultCode: "closed", payload: { code: "closed" } });
});

test("a payload that would leave its template never reaches the backend", async () => {
  const before = world.faults.calls();
  for (const path of ["../../admin", "a/../../x", "a//b", "/etc", "a/%2e%2e/b", "a/..;/b"]) {
    const refusal = await client.execute("files.put", { path, content: {} }).then(
      () => undefined,
      (error: unknown) => refusalOf(error),
    );
    expect(refusal).toMatchObject({ reason: "PAYLOAD_INVALID", metadata: { field: "path" } });
  }
  expect(world.faults.calls()).toBe(before);
});
