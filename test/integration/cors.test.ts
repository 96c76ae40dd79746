import { afterAll, beforeAll, expect, test } from "bun:test";
import { LOGIN_PATHS } from "../support/login-paths.ts";
import { openWorld, type World } from "../support/world.ts";

const PAGE = "https://app.example";
const SHELLS = ["capacitor://localhost", "ionic://localhost", "app://-", "app://", "file://"];
const RPC = "/sallyport.v1.Gateway/ExecuteCommand";
const LOGIN = LOGIN_PATHS[0].SEND;
const CONFIGURED = LOGIN_PATHS[1].SEND;
const KEYS = "/.well-known/jwks.json";

let closed: World;
let open: World;
let wide: World;
beforeAll(async () => {
  closed = await openWorld();
  open = await openWorld({ "cors.origins": [PAGE, ...SHELLS], "cors.max_age_seconds": 60 });
  wide = await openWorld({ "cors.origins": ["*"] });
});
afterAll(async () => {
  for (const world of [closed, open, wide]) await world.close();
});

function preflight(world: World, path: string, origin: string): Promise<Response> {
  const headers = {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,connect-protocol-version,x-grpc-web",
  };
  return fetch(`${world.gateway.edgeUrl}${path}`, { method: "OPTIONS", headers });
}

test("a preflight of an allowed origin permits the headers of Connect and gRPC-Web, and may be cached", async () => {
  for (const path of [RPC, LOGIN, CONFIGURED]) {
    const response = await preflight(open, path, PAGE);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
    const allowed = response.headers.get("access-control-allow-headers")?.toLowerCase().split(", ");
    for (const name of [
      "content-type",
      "connect-protocol-version",
      "connect-timeout-ms",
      "x-grpc-web",
      "x-user-agent",
      "grpc-timeout",
      "grpc-encoding",
      "grpc-accept-encoding",
    ]) {
      expect(allowed).toContain(name);
    }
    expect(response.headers.get("access-control-max-age")).toBe("60");
    expect(response.headers.has("access-control-allow-credentials")).toBe(false);
  }
});

test("an allowed origin may read the response headers of gRPC-Web and Connect", async () => {
  const headers = { origin: PAGE, "content-type": "application/json" };
  const responses = [
    await fetch(`${open.gateway.edgeUrl}${RPC}`, { method: "POST", headers, body: "{}" }),
    await fetch(`${open.gateway.edgeUrl}${LOGIN}`, { method: "POST", headers, body: "{}" }),
    await fetch(`${open.gateway.edgeUrl}${CONFIGURED}`, { method: "POST", headers, body: "{}" }),
    await fetch(`${open.gateway.edgeUrl}${KEYS}`, { headers }),
  ];
  for (const response of responses) {
    expect(response.headers.get("access-control-allow-origin")).toBe(PAGE);
    const exposed = response.headers.get("access-control-expose-headers")?.toLowerCase();
    for (const name of [
      "grpc-status",
      "grpc-message",
      "grpc-status-details-bin",
      "grpc-encoding",
      "retry-after",
      "idempotent-replayed",
    ])
      expect(exposed).toContain(name);
    expect(response.headers.get("vary")).toContain("origin");
  }
});

test("another origin gets no permission, and by default no origin does", async () => {
  const responses = [
    await preflight(open, RPC, "https://evil.example"),
    await preflight(open, RPC, "https://app.example.evil.example"),
    await preflight(open, RPC, "null"),
    await preflight(closed, RPC, PAGE),
    await fetch(`${open.gateway.edgeUrl}${KEYS}`, { headers: { origin: "https://evil.example" } }),
    await fetch(`${closed.gateway.edgeUrl}${KEYS}`, { headers: { origin: PAGE } }),
  ];
  for (const response of responses) expect(response.headers.has("access-control-allow-origin")).toBe(false);
});

test("every origin is allowed if cors.origins is *", async () => {
  expect((await preflight(wide, RPC, "https://anything.example")).headers.get("access-control-allow-origin")).toBe("*");
});

test("the origin of an app shell is allowed in its exact spelling, and does not allow the origin null", async () => {
  for (const origin of [...SHELLS, "null", "capacitor://other", "app://-/", "APP://-"]) {
    const allowed = SHELLS.includes(origin) ? origin : null;
    expect((await preflight(open, LOGIN, origin)).headers.get("access-control-allow-origin")).toBe(allowed);
    const answer = await fetch(`${open.gateway.edgeUrl}${KEYS}`, { headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(allowed);
  }
});
