import { afterEach, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/schema.ts";
import { EMAIL_LOGIN, type PublicRouteEntry } from "../../src/core/public-routes.ts";
import { http1, http2 } from "../support/raw-http.ts";
import { until } from "../support/until.ts";
import { metric, openWorld, type World } from "../support/world.ts";

/** What a row of `public_routes` can say, at a running gateway (proto/public-routes.md). */

const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");
const HUGE = { rate: 10_000, burst: 10_000 };
const ONCE = { rate: 0.001, burst: 1 };

let world: World;
afterEach(() => world.close());

/** Opens a gateway with these rows. The backend answers `{}` at each of their paths, and records what it gets. */
async function open(rows: readonly PublicRouteEntry[], config: Partial<Config> = {}): Promise<string[]> {
  world = await openWorld({ public_routes: rows, ...config });
  const seen: string[] = [];
  for (const { path, backend_path = path } of rows) {
    world.faults.on(backend_path.replace(/\{\w+\}/g, "v-1"), async (request) => {
      const { pathname, search } = new URL(request.url);
      seen.push(`${request.method} ${pathname}${search} ${await request.text()}`.trim());
      return Response.json({ device_session_id: "ds-1" });
    });
  }
  return seen;
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { body: text, headers: { "content-type": "application/json", ...headers } };
  const response = await fetch(`${world.gateway.edgeUrl}${path}`, { method, headers, ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe("fields of a body", () => {
  const row: PublicRouteEntry = { method: "PUT", path: "/v1/x", fields: { a: "text", b: "any?" }, budget: HUGE };

  test("the backend gets the values that were checked, in the method of the row", async () => {
    const seen = await open([row]);
    expect((await call("PUT", "/v1/x", '{"a":"first","b":[1.5,{"c":null}],"a":"last"}')).status).toBe(200);
    expect(seen).toEqual(['PUT /v1/x {"a":"last","b":[1.5,{"c":null}]}']);
  });

  test.each([
    ["a missing field", "{}"],
    ["an empty text", '{"a":""}'],
    ["another type", '{"a":1}'],
    ["half of a surrogate pair", '{"a":"\\ud800"}'],
    ["an unknown field", '{"a":"x","c":1}'],
    ["a field __proto__", '{"a":"x","__proto__":{}}'],
    ["a number that a double cannot hold", '{"a":"x","b":12345678901234567890}'],
    ["a number that becomes infinite", '{"a":"x","b":[1e999]}'],
    ["no object", '["a"]'],
  ])("%s is refused, and the backend is not called", async (_, body) => {
    const seen = await open([row]);
    expect((await call("PUT", "/v1/x", body)).status).toBe(400);
    expect(seen).toEqual([]);
  });

  test("without fields, any object passes, and nothing else", async () => {
    const seen = await open([{ method: "POST", path: "/v1/x", budget: HUGE }]);
    for (const body of ['{"x":{"y":[true]}}', "{}"]) expect((await call("POST", "/v1/x", body)).status).toBe(200);
    for (const body of ["[]", "1", "null", '{"x":1e999}']) expect((await call("POST", "/v1/x", body)).status).toBe(400);
    expect(seen).toEqual(['POST /v1/x {"x":{"y":[true]}}', "POST /v1/x {}"]);
  });

  test("a body may have the size and the tokens of its row, and not more", async () => {
    const seen = await open([
      { method: "POST", path: "/v1/small", body_bytes_max: 64, budget: HUGE },
      { method: "POST", path: "/v1/large", body_bytes_max: 65_536, budget: HUGE },
    ]);
    expect((await call("POST", "/v1/small", { a: "x".repeat(60) })).status).toBe(413);
    expect((await call("POST", "/v1/large", { a: "x".repeat(65_000) })).status).toBe(200);
    expect((await call("POST", "/v1/large", { a: "x".repeat(65_536) })).status).toBe(413);
    expect((await call("POST", "/v1/large", { a: new Array(900).fill(1) })).status).toBe(200);
    expect((await call("POST", "/v1/large", { a: new Array(2000).fill(1) })).status).toBe(400);
    expect(seen).toHaveLength(2);
  });
});

describe("fields of a query", () => {
  const row: PublicRouteEntry = { method: "GET", path: "/v1/q", fields: { a: "text", b: "text?" }, class: "public_misc" };

  test("reach the backend decoded and encoded again", async () => {
    const seen = await open([row]);
    for (const query of ["a=%7E%c3%a4+x&b=%2F%26", "b=1&a=2", "a=1%2B1+%20"])
      expect((await call("GET", `/v1/q?${query}`)).status).toBe(200);
    expect(seen).toEqual(["GET /v1/q?a=~%C3%A4%20x&b=%2F%26", "GET /v1/q?b=1&a=2", "GET /v1/q?a=1%2B1%20%20"]);
  });

  test.each(["", "b=1", "a=1&a=2", "a=1&%61=2", "a=1&c=2", "a=%ff", "a=%", "a=", "a=1&", `a=${"x".repeat(9000)}`])(
    "?%s is refused, and the backend is not called",
    async (query) => {
      const seen = await open([row]);
      expect((await call("GET", `/v1/q?${query}`)).status).toBe(400);
      expect(seen).toEqual([]);
    },
  );

  test("HEAD is served as GET without its body; a body of a GET is ignored", async () => {
    const seen = await open([row]);
    const type = "application/json;charset=utf-8";
    const head = await call("HEAD", "/v1/q?a=1");
    expect([head.status, head.headers.get("content-type"), head.text]).toEqual([200, type, ""]);
    const overHttp2 = await http2(world.gateway.edgeUrl, { method: "HEAD", path: "/v1/q?a=1" });
    expect([overHttp2?.status, overHttp2?.headers["content-type"], overHttp2?.body.length]).toEqual([200, type, 0]);
    for (const send of [http1, http2]) {
      const get = await send(world.gateway.edgeUrl, { method: "GET", path: "/v1/q?a=1", body: '{"a":"2"}' });
      expect(get?.status).toBe(200);
    }
    expect(new Set(seen)).toEqual(new Set(["GET /v1/q?a=1"]));
  });
});

describe("variables of the path", () => {
  const row: PublicRouteEntry = { method: "GET", path: "/v1/{id}/q", backend_path: "/b/{id}", class: "public_misc" };

  test("reach the backend's path, and never another path of it", async () => {
    const seen = await open([row]);
    expect((await call("GET", "/v1/v-1/q")).status).toBe(200);
    const before = world.faults.calls();
    for (const send of [http1, http2]) {
      for (const id of ["..", ".", "%2e%2e", "a%2fb", "a%5cb", "a\\b", "%76-1", "", "x".repeat(129), "a;b", "a%00"]) {
        const answer = await send(world.gateway.edgeUrl, { method: "GET", path: `/v1/${id}/q` });
        expect([id, answer?.status]).toEqual([id, 404]);
      }
    }
    expect([seen, world.faults.calls()]).toEqual([["GET /b/v-1"], before]);
  });
});

test("a path of all plain characters is served in this spelling only, and reaches the backend in it", async () => {
  const path = "/v1/a+b,c;d=e@f:g/$x!('y')~&";
  const seen = await open([{ method: "GET", path, class: "public_misc" }]);
  for (const send of [http1, http2]) {
    for (const [each, status] of [
      [path, 200],
      [path.replace("+", "%2B"), 404],
      [path.replace(";", "%3b"), 404],
      [path.replace(",c;d=e", ""), 404],
    ] as const) {
      const answer = await send(world.gateway.edgeUrl, { method: "GET", path: each });
      expect([each, answer?.status]).toEqual([each, status]);
    }
  }
  expect(seen).toEqual([`GET ${path}`, `GET ${path}`]);
});

describe("methods of one path", () => {
  const rows: readonly PublicRouteEntry[] = [
    { name: "read", method: "GET", path: "/v1/x", class: "public_misc" },
    { name: "write", method: "PUT", path: "/v1/x", fields: { a: "text" }, budget: HUGE },
  ];

  test("each has its row; another method is 405 with all of them", async () => {
    const seen = await open(rows);
    await call("GET", "/v1/x");
    await call("PUT", "/v1/x", { a: "1" });
    expect(seen).toEqual(["GET /v1/x", 'PUT /v1/x {"a":"1"}']);
    for (const method of ["POST", "DELETE", "PATCH", "OPTIONS"]) {
      const { status, headers } = await call(method, "/v1/x");
      expect([method, status, headers.get("allow")]).toEqual([method, 405, "GET, HEAD, PUT"]);
    }
    const labels = (rpc: string, code: number) => `{rpc="${rpc}",protocol="rest",code="${code}",reason=""}`;
    for (const name of ["read", "write"]) {
      expect(await metric(world.gateway, "sallyport_requests_total", labels(name, 200))).toBe(1);
    }
  });

  test("a preflight allows them, and pages of allowed origins can read the headers that a row passes", async () => {
    await open([...rows, { method: "GET", path: "/v1/y", class: "public_misc", pass_headers: ["etag"] }], {
      "cors.origins": ["https://app.example"],
    });
    const headers = { origin: "https://app.example", "access-control-request-method": "PUT" };
    const preflight = (path: string) => call("OPTIONS", path, undefined, headers);
    expect((await preflight("/v1/x")).headers.get("access-control-allow-methods")).toBe("GET, POST, HEAD, PUT");
    expect((await preflight("/v1/y")).headers.get("access-control-allow-methods")).toBe("GET, POST, HEAD");
    const answer = await call("GET", "/v1/y", undefined, { origin: "https://app.example" });
    expect(answer.headers.get("access-control-expose-headers")).toEndWith(", etag");
    const other = await call("GET", "/v1/y", undefined, { origin: "https://evil.example" });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("budgets", () => {
  const identity = { field: "name", kind: "opaque", budget: ONCE } as const;

  test("a row's own budget of a network replaces the class, and limits no other row", async () => {
    await open([
      { name: "a", method: "POST", path: "/v1/a", budget: ONCE },
      { method: "POST", path: "/v1/b", budget: HUGE },
    ]);
    expect((await call("POST", "/v1/a", {})).headers.get("ratelimit-policy")).toBe('"a";q=1;w=1000');
    const refused = await call("POST", "/v1/a", {});
    expect([refused.status, refused.headers.get("ratelimit")]).toEqual([
      429,
      `"a";r=0;t=${refused.headers.get("retry-after")}`,
    ]);
    expect((await call("POST", "/v1/b", {})).status).toBe(200);
  });

  test("a row with both pays both or none", async () => {
    const rows: readonly PublicRouteEntry[] = [
      { name: "a", method: "POST", path: "/v1/a", class: "public_misc", budget: ONCE },
      { name: "b", method: "POST", path: "/v1/b", class: "public_misc" },
    ];
    await open(rows, { "budgets.public_misc.rate": 0.001, "budgets.public_misc.burst": 2 });
    expect([(await call("POST", "/v1/a", {})).status, (await call("POST", "/v1/a", {})).status]).toEqual([200, 429]);
    expect([(await call("POST", "/v1/b", {})).status, (await call("POST", "/v1/b", {})).status]).toEqual([200, 429]);
  });

  test("spellings that a database may treat as one name share a bucket, whatever address they come from", async () => {
    const seen = await open([{ name: "a", method: "POST", path: "/v1/a", fields: { name: "text" }, identity, budget: HUGE }], {
      trusted_proxies: ["127.0.0.1"],
    });
    const spellings = ["Ada", "ada", "ADA", "\uff41da", "a.da", " ada ", "Ad\u00e1", "0ada"];
    const statuses: number[] = [];
    for (const [n, name] of spellings.entries()) {
      statuses.push((await call("POST", "/v1/a", { name }, { "x-forwarded-for": `198.51.100.${n}` })).status);
    }
    expect(statuses).toEqual([200, ...new Array(7).fill(429)]);
    expect((await call("POST", "/v1/a", { name: "bob" })).status).toBe(200);
    for (const name of ["a\u0000", "a\n"]) expect((await call("POST", "/v1/a", { name })).status).toBe(400);
    expect(seen).toHaveLength(2);
  });

  test("an identity can be as long as an ID token, and its spellings share a bucket too", async () => {
    const fields = { name: "text" } as const;
    await open([{ name: "a", method: "POST", path: "/v1/a", fields, identity, budget: HUGE, body_bytes_max: 65_536 }]);
    const statusOf = async (name: string) => (await call("POST", "/v1/a", { name })).status;
    for (const length of [257, 900, 8192]) {
      expect([await statusOf("x".repeat(length)), await statusOf(`${"X".repeat(length - 1)}\u00df`)]).toEqual([200, 200]);
      expect(await statusOf("X".repeat(length))).toBe(429);
    }
    expect((await call("POST", "/v1/a", { name: "x".repeat(8193) })).text).toContain("name must be 1 to 8192 ");
  });

  test("rows that share a budget share the bucket of an identity", async () => {
    const shared = { field: "mail", kind: "email", budget: "send_code" } as const;
    await open([...EMAIL_LOGIN, { method: "POST", path: "/v1/up", fields: { mail: "text" }, identity: shared }], {
      "budgets.send_code.rate": 0.001,
      "budgets.send_code.burst": 1,
    });
    expect((await call("POST", "/v1/up", { mail: "ada@example.com" })).status).toBe(200);
    const other = await call("POST", EMAIL_LOGIN[0]?.path ?? "", { email: "ADA@example.com" });
    expect([other.status, other.headers.get("ratelimit")]).toEqual([
      429,
      `"send_code";r=0;t=${other.headers.get("retry-after")}`,
    ]);
    expect((await call("POST", "/v1/up", { mail: "ada" })).status).toBe(400);
  });

  test("a variable can be the identity", async () => {
    const code = { field: "code", kind: "challenge", budget: ONCE } as const;
    await open([{ method: "GET", path: "/v1/{code}", identity: code, budget: HUGE }]);
    expect((await call("GET", "/v1/v-1")).status).toBe(200);
    expect([(await call("GET", "/v1/v-1")).status, (await call("GET", "/v1/V1")).status]).toEqual([429, 429]);
  });

  test("malformed calls spend the failures of public calls, and nothing else", async () => {
    const seen = await open([{ name: "a", method: "POST", path: "/v1/a", fields: { name: "text" }, budget: ONCE }], {
      "budgets.failures.rate": 0.001,
      "budgets.failures.burst": 2,
    });
    for (let n = 0; n < 2; n++) expect((await call("POST", "/v1/a", {})).status).toBe(400);
    const refused = await call("POST", "/v1/a", {});
    expect([refused.status, refused.headers.get("ratelimit")?.slice(0, 10)]).toEqual([429, '"failures"']);
    expect(seen).toEqual([]);
  });

  test("a login with a weak device key spends the failures of public calls", async () => {
    await open([{ method: "POST", path: "/v1/login", registers_key: true }], {
      "budgets.failures.rate": 0.001,
      "budgets.failures.burst": 2,
    });
    const weak = { client_public_key: Buffer.alloc(32).toString("base64") };
    const statuses: number[] = [];
    for (let n = 0; n < 3; n++) statuses.push((await call("POST", "/v1/login", weak)).status);
    expect(statuses).toEqual([400, 400, 429]);
  });
});

describe("answers of the backend", () => {
  const row: PublicRouteEntry = { method: "GET", path: "/v1/x", class: "public_misc" };
  const from = async (more: Partial<PublicRouteEntry>, answer: () => Response | Promise<Response>) => {
    await open([{ ...row, ...more }]);
    world.faults.on("/v1/x", answer);
    return call(more.method ?? "GET", "/v1/x", more.method === "POST" ? { client_public_key: KEY } : undefined);
  };

  test.each([
    ["without a session id", () => Response.json({})],
    ["with an id that is no session id", () => Response.json({ device_session_id: "a/b" })],
    ["that is no object", () => Response.json(["ds-1"])],
    ["without a body, although 204 is listed", () => new Response(null, { status: 204 })],
  ])("a login's answer %s: 502", async (_, answer) => {
    const { status, text } = await from({ method: "POST", registers_key: true, pass_statuses: [204] }, answer);
    expect([status, JSON.parse(text).code]).toEqual([502, "backend_bad_response"]);
  });

  test("a login's answer with a session id and more members passes, and so does a business error", async () => {
    const login = { method: "POST", registers_key: true } as const;
    const good = await from(login, () => Response.json({ device_session_id: "ds-1", user: { id: 1 } }));
    expect([good.status, good.text]).toEqual([200, '{"device_session_id":"ds-1","user":{"id":1}}']);
    world.faults.on("/v1/x", () => Response.json({ code: "banned" }, { status: 409 }));
    expect((await call("POST", "/v1/x", { client_public_key: KEY })).status).toBe(409);
  });

  test.each([401, 403] as const)(
    "%d passes only if it is listed, and only without a challenge to the gateway",
    async (status) => {
      const refusal = () => Response.json({ code: "no" }, { status });
      expect((await from({}, refusal)).status).toBe(502);
      await world.close();
      expect((await from({ pass_statuses: [status] }, refusal)).status).toBe(status);
      world.faults.on("/v1/x", () => Response.json({}, { status, headers: { "www-authenticate": "Bearer" } }));
      expect((await call("GET", "/v1/x")).status).toBe(502);
      world.faults.on("/v1/x", () => Response.json({}, { status: 407 }));
      expect((await call("GET", "/v1/x")).status).toBe(502);
    },
  );

  test("204 passes only if it is listed", async () => {
    const empty = () => new Response(null, { status: 204 });
    expect((await from({}, empty)).status).toBe(502);
    await world.close();
    const { status, headers } = await from({ pass_statuses: [204] }, empty);
    expect([status, headers.get("content-type")]).toEqual([204, null]);
  });

  test("an answer above the row's size: 502; one that is late for the row: 504", async () => {
    expect((await from({ response_bytes_max: 100 }, () => Response.json({ a: "x".repeat(100) }))).status).toBe(502);
    await world.close();
    expect((await from({ timeout_ms: 50 }, () => new Promise(() => {}))).status).toBe(504);
  });

  test("only listed headers pass, unless their value is no visible text", async () => {
    const headers = { etag: '"1"', "x-note": "\u00e9", "x-long": "x".repeat(1025), "set-cookie": "a=b", "x-other": "1" };
    const answer = await from({ pass_headers: ["etag", "x-note", "x-long"] }, () => Response.json({}, { headers }));
    expect(answer.headers.get("etag")).toBe('"1"');
    for (const name of ["x-note", "x-long", "set-cookie", "x-other"]) expect(answer.headers.has(name)).toBe(false);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });
});

test("slow answers of other rows delay no login", async () => {
  await open([...EMAIL_LOGIN, { method: "GET", path: "/v1/slow", class: "public_misc" }]);
  const held = Promise.withResolvers<Response>();
  world.faults.on("/v1/slow", async () => (await held.promise).clone());
  const slow = Array.from({ length: 64 }, () => call("GET", "/v1/slow"));
  world.faults.off(EMAIL_LOGIN[0]?.path ?? "");
  world.faults.off(EMAIL_LOGIN[1]?.path ?? "");
  expect((await world.login()).deviceSessionId).not.toBe("");
  held.resolve(Response.json({}));
  expect(new Set((await Promise.all(slow)).map(({ status }) => status))).toEqual(new Set([200]));
});

test("a reload replaces the table as a whole: paths come and go at once, on both listeners", async () => {
  for (const listener of [{}, { "edge.grpc": "same-port" } as const]) {
    const before: PublicRouteEntry = { method: "GET", path: "/v1/before", class: "public_misc" };
    const after: PublicRouteEntry = { method: "POST", path: "/v1/{id}/after", fields: { a: "text" } };
    await open([before], listener);
    world.faults.on("/v1/v-1/after", () => Response.json({}));
    const statuses = async (send: typeof http1) => [
      (await send(world.gateway.edgeUrl, { method: "GET", path: "/v1/before" }))?.status,
      (
        await send(world.gateway.edgeUrl, {
          path: "/v1/v-1/after",
          headers: { "content-type": "application/json" },
          body: '{"a":"1"}',
        })
      )?.status,
    ];
    for (const send of [http1, http2]) expect(await statuses(send)).toEqual([200, 404]);
    expect(await world.gateway.reload(() => ({ ...world.config, public_routes: [after] }))).toMatchObject({ kind: "reloaded" });
    for (const send of [http1, http2]) expect(await statuses(send)).toEqual([404, 200]);
    if (listener["edge.grpc"] === undefined) await world.close();
  }
});

test.skipIf(process.platform !== "linux")(
  "with workers (Linux), each worker serves the table, and a reload reaches each",
  async () => {
    const row: PublicRouteEntry = { method: "GET", path: "/v1/before", class: "public_misc" };
    world = await openWorld({ public_routes: [row] }, { workers: 3 });
    for (const path of ["/v1/before", "/v1/after"]) world.faults.on(path, () => Response.json({}));
    /** Each request has a connection of its own, so that the requests reach all workers. */
    const statusesOf = async (path: string) => {
      const answers = Array.from({ length: 30 }, () => http1(world.gateway.edgeUrl, { method: "GET", path }));
      return new Set((await Promise.all(answers)).map((answer) => answer?.status));
    };
    expect(await statusesOf("/v1/before")).toEqual(new Set([200]));
    expect(
      await world.gateway.reload(() => ({ ...world.config, public_routes: [{ ...row, path: "/v1/after" }] })),
    ).toMatchObject({
      kind: "reloaded",
    });
    await until(async () => Bun.deepEquals(await statusesOf("/v1/after"), new Set([200])), "all workers to have the new table");
    expect(await statusesOf("/v1/before")).toEqual(new Set([404]));
  },
);

test("the log names the path of the row, never the values of its variables, its query or its fields", async () => {
  await open([
    { method: "GET", path: "/v1/{code}", fields: { q: "text" }, class: "public_misc" },
    { name: "b", method: "POST", path: "/v1/a/b", fields: { a: "text" }, budget: HUGE },
  ]);
  await call("GET", "/v1/secret-1?q=secret-2");
  await call("GET", "/v1/secret-1?q=secret-2&secret-3=1");
  await call("POST", "/v1/a/b", { a: "secret-4", "secret-5": 1 });
  await until(() => world.logged().includes('"path":"/v1/a/b"'), "the last call in the log");
  expect(world.logged()).toContain('"path":"/v1/{code}"');
  expect(world.logged()).not.toContain("secret");
});
