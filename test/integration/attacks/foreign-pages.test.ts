import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { http1, http2, type RawAnswer, RawHttp1, type RawRequest } from "../../support/raw-http.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Web pages of other origins against the two listeners without authentication: the admin listener and the embedded backend. */

let world: World;
beforeAll(async () => {
  world = await openWorld({ "admin.hosts": ["Admin.Internal"] });
});
afterAll(() => world.close());

interface Target extends RawRequest {
  readonly listener: "admin" | "backend";
}

const JSON_TYPE = { "content-type": "application/json" };
const TARGETS: readonly Target[] = [
  ...["/healthz", "/readyz", "/metrics", "/streams", "/nothing"].map(
    (path) => ({ listener: "admin", method: "GET", path }) as const,
  ),
  { listener: "admin", path: "/revoke", headers: JSON_TYPE, body: '{"user_id":"u"}' },
  ...["/dev/outbox", "/api/v1/internal/sessions/x", "/nothing"].map(
    (path) => ({ listener: "backend", method: "GET", path }) as const,
  ),
  { listener: "backend", path: "/dev/revoke", headers: JSON_TYPE, body: '{"user_id":"u"}' },
  { listener: "backend", path: "/dev/push", headers: JSON_TYPE, body: '{"user_id":"u","event_type":"a.b"}' },
  { listener: "backend", method: "PATCH", path: "/api/v1/user/profile", headers: JSON_TYPE, body: "{}" },
];

function urlOf(target: Target): string {
  return target.listener === "admin" ? world.gateway.adminUrl : world.backend.restUrl;
}

function ask(target: Target, headers: Record<string, string>): Promise<RawAnswer | undefined> {
  return http1(urlOf(target), { ...target, headers: { ...target.headers, Host: "127.0.0.1", ...headers } });
}

async function statuses(headers: Record<string, string>): Promise<(number | undefined)[]> {
  const answers = await Promise.all(TARGETS.map((target) => ask(target, headers)));
  return answers.map((answer) => answer?.status);
}

const SERVED = [200, 200, 200, 200, 404, 200, 200, 404, 404, 404, 200, 401];
const REFUSED = SERVED.map(() => 403);

describe("a page with a rebound DNS name", () => {
  test.each([
    ...["evil.example", "evil.example:8082", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io"],
    ...["localhost:80:80", "localhost,evil.example", "user@localhost", "0x7f.1", "127.1", "2130706433", "::1", "[::1"],
    ...["[evil]", "evil/@localhost", "localhost/", "admin.internal.evil.example", "\u00e9.example", "a b"],
  ])("is refused with the host %s", async (host) => {
    for (const status of await statuses({ Host: host })) expect([400, 403]).toContain(status ?? 0);
  });

  test("is refused over HTTP/2, on the listener that serves it", async () => {
    const refused = await http2(world.gateway.adminUrl, {
      method: "GET",
      path: "/streams",
      headers: { ":authority": "evil.example" },
    });
    expect(refused?.status).toBe(403);
    expect((await http2(world.gateway.adminUrl, { method: "GET", path: "/streams" }))?.status).toBe(200);
  });

  test("is refused with a second Host field, in either order", async () => {
    for (const [first, second] of [
      ["127.0.0.1", "evil.example"],
      ["evil.example", "127.0.0.1"],
    ]) {
      for (const target of TARGETS.filter(({ method }) => method === "GET")) {
        const connection = await RawHttp1.open(urlOf(target));
        connection.send(`GET ${target.path} HTTP/1.1\r\nHost: ${first}\r\nHost: ${second}\r\n\r\n`);
        expect([400, 403]).toContain((await connection.answer())?.status ?? 0);
        connection.close();
      }
    }
  });
});

describe("a request to a name that no other site can own", () => {
  test.each([
    ...["127.0.0.1", "127.0.0.1:1", "10.1.2.3:8082", "localhost", "LocalHost:8082", "localhost.", "localhost:"],
    ...["[::1]", "[::1]:8082", "[fd00::1]", "[fe80::1%25eth0]:8082", "[::ffff:127.0.0.1]"],
  ])("is served: %s", async (host) => {
    expect(await statuses({ Host: host })).toEqual(SERVED);
  });

  test("is served under a configured name, in any case and with a trailing dot", async () => {
    for (const host of ["admin.internal", "ADMIN.internal.:8082"]) {
      expect((await http1(world.gateway.adminUrl, { method: "GET", path: "/streams", headers: { Host: host } }))?.status).toBe(
        200,
      );
    }
  });

  test("is served without Host over HTTP/1.0, as load balancers probe", async () => {
    for (const path of ["/healthz", "/readyz", "/metrics", "/streams?limit=1"]) {
      const connection = await RawHttp1.open(world.gateway.adminUrl);
      connection.send(`GET ${path} HTTP/1.0\r\n\r\n`);
      expect((await connection.answer())?.status).toBe(200);
      connection.close();
    }
  });
});

describe("a page of another origin", () => {
  test.each([
    "https://evil.example",
    "http://localhost:3000",
    "http://127.0.0.1:3000",
    "null",
    "",
    "file://",
    "http://127.0.0.1/",
  ])("is refused everywhere: Origin %p", async (origin) => {
    expect(await statuses({ Origin: origin })).toEqual(REFUSED);
  });

  test.each(["cross-site", "same-site", "cross-site, none"])("is refused everywhere: Sec-Fetch-Site %p", async (site) => {
    expect(await statuses({ "Sec-Fetch-Site": site })).toEqual(REFUSED);
  });

  test("gets no CORS permission from a preflight", async () => {
    const preflight = { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" };
    for (const target of TARGETS) {
      const answer = await http1(urlOf(target), {
        method: "OPTIONS",
        path: target.path,
        headers: { Host: "localhost", ...preflight },
      });
      expect(answer?.status).toBe(403);
      expect(Object.keys(answer?.headers ?? {}).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test("is not confused with the listener's own page or a typed address: both are served", async () => {
    expect(await statuses({ Host: "localhost:8082", Origin: "http://localhost:8082" })).toEqual(SERVED);
    expect(await statuses({ Host: "LOCALHOST", Origin: "https://localhost" })).toEqual(SERVED);
    expect(await statuses({ Host: "127.0.0.1:80", Origin: "http://127.0.0.1" })).toEqual(SERVED);
    for (const site of ["same-origin", "none"]) expect(await statuses({ "Sec-Fetch-Site": site })).toEqual(SERVED);
  });
});

test("a body with a content type that a form can send is refused with 415", async () => {
  const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "text/json"];
  for (const target of TARGETS.filter(({ body, path }) => body !== undefined && path !== "/nothing")) {
    for (const type of types) expect((await ask(target, { "content-type": type }))?.status).toBe(415);
    const { headers: _, ...untyped } = target;
    expect((await ask(untyped, {}))?.status).toBe(415);
    expect((await ask(target, { "content-type": "Application/JSON ; charset=utf-8" }))?.status).not.toBe(415);
  }
});
