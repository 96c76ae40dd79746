import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RestBackend, type RestBackendOptions } from "../../../../src/backend/rest/rest-backend.ts";
import { type RouteEntry, RouteTable } from "../../../../src/backend/rest/route-table.ts";
import type { BackendCommand, BackendReply } from "../../../../src/core/backend.ts";
import { describeCause } from "../../../../src/core/cause.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { NO_CLIENT_HEADERS } from "../../../support/no-client-headers.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { http, rawServer } from "../support/raw-server.ts";
import { RecordingMetrics } from "../support/recorders.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const never = new AbortController().signal;

const ROUTES: RouteEntry[] = [
  { message_type: "profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "message.send", method: "POST", path: "/api/v1/user/rooms/{room_id}/messages" },
  { message_type: "message.post", method: "POST", path: "/api/v1/user/messages" },
  { message_type: "message.hurried", method: "POST", path: "/api/v1/user/messages", timeout_ms: 60 },
];

function backend(url: string, options: Options = {}) {
  return executing(restBackend(url, options));
}

type Options = Partial<RestBackendOptions> & { readonly token?: string };

function restBackend(url: string, { token, ...options }: Options = {}): RestBackend {
  return new RestBackend({
    upstreams: upstreamAt(url, token),
    routes: new RouteTable(ROUTES),
    timeoutMs: 5000,
    responseBytesMax: 64 * 1024,
    trace: ({ traceparent = TRACEPARENT, tracestate }) => ({ traceparent, tracestate }),
    metrics: new RecordingMetrics(),
    clock: systemClock,
    ...options,
  });
}

function command(fields: Partial<BackendCommand> = {}): BackendCommand {
  return {
    messageType: "profile.get",
    requestId: "request-1",
    idempotencyKey: "",
    deviceSessionId: "session-1",
    userId: "user-1",
    payloadBytes: new Uint8Array(0),
    peerAddress: "2001:db8::1",
    ...NO_CLIENT_HEADERS,
    ...fields,
  };
}

type Execute = (command: BackendCommand, signal: AbortSignal) => Promise<BackendReply>;

/** Executes commands by the route of their message type. */
function executing(rest: RestBackend): { execute: Execute } {
  return {
    execute(command, signal) {
      const route = rest.route(command.messageType);
      if (route === undefined) throw new Error(`no route for ${command.messageType}`);
      return route.execute(command, signal, () => {});
    },
  };
}

async function refusalOf(reply: Promise<BackendReply>): Promise<Refusal> {
  const thrown = await reply.then(
    (value) => new Error(`answered ${value.resultCode}`),
    (error: unknown) => error,
  );
  if (thrown instanceof Refusal) return thrown;
  throw thrown;
}

/** The last request that the server received, and its next answer. */
let seen: { method: string; url: URL; headers: Headers; body: string } | undefined;
let answer: () => Response | Promise<Response> = () => Response.json({});
let server: Bun.Server<undefined>;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      seen = { method: request.method, url: new URL(request.url), headers: request.headers, body: await request.text() };
      return answer();
    },
  });
});
afterAll(() => server.stop(true));

function execute(fields: Partial<BackendCommand> = {}, options: Options = {}): Promise<BackendReply> {
  return backend(server.url.href, options).execute(command(fields), never);
}

describe("the request to the backend", () => {
  test("names the user, session, request, client address and trace", async () => {
    answer = () => Response.json({});
    await execute({ acceptLanguage: "de", userAgent: "app/1 (x; y)" }, { token: "s3cret" });
    const headers = Object.fromEntries(seen?.headers ?? []);
    expect(headers).toMatchObject({
      "x-user-id": "user-1",
      "x-device-session-id": "session-1",
      "x-request-id": "request-1",
      "idempotency-key": "request-1",
      "x-forwarded-for": "2001:db8::1",
      traceparent: TRACEPARENT,
      authorization: "Bearer s3cret",
      "accept-language": "de",
      "user-agent": "app/1 (x; y)",
      "accept-encoding": "identity",
    });
  });

  test("has the idempotency key of the request, if it has one", async () => {
    answer = () => Response.json({});
    await execute({ idempotencyKey: "order-4711" });
    expect(Object.fromEntries(seen?.headers ?? [])).toMatchObject({
      "idempotency-key": "order-4711",
      "x-request-id": "request-1",
    });
  });

  test("carries the payload as the route defines", async () => {
    answer = () => Response.json({});
    await execute({ messageType: "message.send", payloadBytes: Buffer.from('{"room_id":"lobby","text":"hi"}') });
    expect(seen).toMatchObject({ method: "POST", body: '{"text":"hi"}' });
    expect(seen?.url.pathname).toBe("/api/v1/user/rooms/lobby/messages");
    expect(seen?.headers.get("content-type")).toBe("application/json");
    await execute({ messageType: "message.post", payloadBytes: Buffer.from('{ "as": "signed" }') });
    expect(seen?.body).toBe('{ "as": "signed" }');
  });

  test("starts with the path of the backend's URL", async () => {
    answer = () => Response.json({});
    await backend(`${server.url.href}base/`).execute(command(), never);
    expect(seen?.url.pathname).toBe("/base/api/v1/user/profile");
  });

  test("has no Authorization without a token, and no client header that the client did not send", async () => {
    answer = () => Response.json({});
    await execute();
    expect(seen?.headers.has("authorization")).toBe(false);
    expect(seen?.headers.has("accept-language")).toBe(false);
    expect(seen?.headers.get("user-agent")).toBe("sallyport");
  });
});

describe("header injection", () => {
  test("an id that is not a valid header value is never sent", async () => {
    seen = undefined;
    for (const userId of ["a\r\nX-Admin: 1", "a\nb", "a b", "ü", "", "x".repeat(257)]) {
      expect((await refusalOf(execute({ userId }))).reason).toBe("INTERNAL");
    }
    expect(seen).toBeUndefined();
  });

  test("an invalid or too long client header is not forwarded", async () => {
    answer = () => Response.json({});
    for (const value of ["de\r\nX-User-Id: admin", "de\n", "\u0000", "x".repeat(513)]) {
      await execute({ acceptLanguage: value, userAgent: value });
      expect(seen?.headers.get("x-user-id")).toBe("user-1");
      expect(seen?.headers.has("accept-language")).toBe(false);
      expect(seen?.headers.get("user-agent")).toBe("sallyport");
    }
  });

  test("an invalid bearer token throws a TypeError at start", () => {
    expect(() => backend("http://127.0.0.1:1", { token: "a\r\nb" })).toThrow(TypeError);
  });
});

describe("an answer is converted:", () => {
  const json = { "content-type": "application/json" };
  type OkCase = [string, () => Response, string, string];
  const ok: OkCase[] = [
    ["200 with JSON, byte for byte", () => new Response('{ "a" : 1.0 }', { headers: json }), "ok", '{ "a" : 1.0 }'],
    [
      "201 with a charset",
      () => new Response("[]", { status: 201, headers: { "content-type": "application/json; charset=UTF-8" } }),
      "ok",
      "[]",
    ],
    ...["identity", "Identity", "IDENTITY", " identity , Identity ", ""].map(
      (coding): OkCase => [
        `200 whose content-encoding is ${JSON.stringify(coding)}`,
        () => new Response("{}", { headers: { ...json, "content-encoding": coding } }),
        "ok",
        "{}",
      ],
    ),
    ...['Application/JSON;Charset="UTF-8"', 'application/json; x="; charset=latin1"', "application/json;"].map(
      (type): OkCase => [`200 as ${type}`, () => new Response("{}", { headers: { "content-type": type } }), "ok", "{}"],
    ),
    ["200 with a +json type", () => new Response("{}", { headers: { "content-type": "application/hal+json" } }), "ok", "{}"],
    ["204", () => new Response(null, { status: 204 }), "ok", ""],
    ["200 without a body", () => new Response(""), "ok", ""],
    [
      "404 with a code",
      () => Response.json({ code: "room_not.found-1" }, { status: 404 }),
      "room_not.found-1",
      '{"code":"room_not.found-1"}',
    ],
    ["401 without a code", () => Response.json({}, { status: 401 }), "http_401", "{}"],
    [
      "403 as application/problem+json",
      () => new Response("{}", { status: 403, headers: { "content-type": "application/problem+json" } }),
      "http_403",
      "{}",
    ],
    [
      "a code with invalid characters",
      () => Response.json({ code: "Not Found" }, { status: 404 }),
      "http_404",
      '{"code":"Not Found"}',
    ],
    ["a code that is not a string", () => Response.json({ code: 5 }, { status: 400 }), "http_400", '{"code":5}'],
    ["an error with the code ok", () => Response.json({ code: "ok" }, { status: 400 }), "http_400", '{"code":"ok"}'],
  ];
  for (const [name, respond, resultCode, payload] of ok) {
    test(name, async () => {
      answer = respond;
      const reply = await execute();
      expect([reply.resultCode, Buffer.from(reply.payloadBytes).toString()]).toEqual([resultCode, payload]);
    });
  }

  const refused: [string, () => Response, string][] = [
    ["200 with HTML", () => new Response("<p>", { headers: { "content-type": "text/html" } }), "BACKEND_BAD_RESPONSE"],
    [
      "200 in another charset",
      () => new Response("{}", { headers: { "content-type": "application/json; charset=latin1" } }),
      "BACKEND_BAD_RESPONSE",
    ],
    ["200 compressed", () => new Response("{}", { headers: { ...json, "content-encoding": "gzip" } }), "BACKEND_BAD_RESPONSE"],
    [
      "200 compressed, in capitals",
      () => new Response("{}", { headers: { ...json, "content-encoding": "GZIP" } }),
      "BACKEND_BAD_RESPONSE",
    ],
    [
      "200 with codings identity and br",
      () => new Response("{}", { headers: { ...json, "content-encoding": "identity, br" } }),
      "BACKEND_BAD_RESPONSE",
    ],
    [
      "404 with HTML",
      () => new Response("<p>", { status: 404, headers: { "content-type": "text/html" } }),
      "BACKEND_BAD_RESPONSE",
    ],
    ["404 with broken JSON", () => new Response("{", { status: 404, headers: json }), "BACKEND_BAD_RESPONSE"],
    ["404 with a JSON array", () => Response.json([], { status: 404 }), "BACKEND_BAD_RESPONSE"],
    ["404 without a body", () => new Response(null, { status: 404 }), "BACKEND_BAD_RESPONSE"],
    ["407", () => Response.json({ code: "x" }, { status: 407 }), "BACKEND_BAD_RESPONSE"],
    ...[401, 403].map((status): [string, () => Response, string] => [
      `${status} with WWW-Authenticate`,
      () => Response.json({ code: "x" }, { status, headers: { "WWW-Authenticate": 'Bearer error="invalid_token"' } }),
      "BACKEND_BAD_RESPONSE",
    ]),
    ["500", () => Response.json({ code: "x" }, { status: 500 }), "BACKEND_BAD_RESPONSE"],
    ["502", () => new Response(null, { status: 502 }), "BACKEND_UNAVAILABLE"],
    ["503", () => new Response(null, { status: 503 }), "BACKEND_UNAVAILABLE"],
    ["504", () => new Response(null, { status: 504 }), "BACKEND_TIMEOUT"],
  ];
  for (const [name, respond, reason] of refused) {
    test(`${name} is ${reason}`, async () => {
      answer = respond;
      const refusal = await refusalOf(execute());
      expect<string>(refusal.reason).toBe(reason);
      expect(refusal.cause).toBeDefined();
      expect(refusal.metadata).toEqual({});
    });
  }

  test("the cause of an answer that is not JSON, or is too long, names the setting that helps", async () => {
    answer = () => new Response("%PDF", { headers: { "content-type": "application/pdf" } });
    expect(describeCause((await refusalOf(execute())).cause)).toContain(
      'application/pdf, expected JSON; a route whose answers are not JSON needs response = "raw"',
    );
    answer = () => new Response("x".repeat(5 * 1024 * 1024), { headers: json });
    expect(describeCause((await refusalOf(execute())).cause)).toContain(
      "bytes; for commands and public calls, response_bytes_max sets this limit",
    );
  });

  test("a redirect is not followed, because its target would receive the user's id and the token", async () => {
    let followed = false;
    await using elsewhere = await rawServer((socket) => {
      followed = true;
      socket.end();
    });
    answer = () => Response.redirect(elsewhere.url, 307);
    expect((await refusalOf(execute())).reason).toBe("BACKEND_BAD_RESPONSE");
    expect(followed).toBe(false);
  });
});

describe("a backend that misbehaves", () => {
  test("an answer above responseBytesMax is refused, with or without Content-Length", async () => {
    answer = () => Response.json("x".repeat(70_000));
    expect((await refusalOf(execute())).reason).toBe("BACKEND_BAD_RESPONSE");
    let cancelled = () => {};
    const gone = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    answer = () => {
      const endless = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(16_384)),
        cancel: cancelled,
      });
      return new Response(endless, { headers: { "content-type": "application/json" } });
    };
    expect((await refusalOf(execute())).reason).toBe("BACKEND_BAD_RESPONSE");
    await gone;
  });

  test("a refused answer is aborted instead of downloaded", async () => {
    const closed = Promise.withResolvers<void>();
    await using huge = await rawServer((socket) => {
      socket.on("close", () => closed.resolve());
      socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${1e12}\r\n\r\n{`);
    });
    expect((await refusalOf(backend(huge.url).execute(command(), never))).reason).toBe("BACKEND_BAD_RESPONSE");
    await closed.promise;
  });

  test("a backend that hangs before or within the body fails the call at the route's timeout", async () => {
    await using silent = await rawServer(() => {});
    const message = { messageType: "message.hurried" };
    expect((await refusalOf(backend(silent.url).execute(command(message), never))).reason).toBe("BACKEND_TIMEOUT");
    await using stalling = await rawServer((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{");
    });
    expect((await refusalOf(backend(stalling.url).execute(command(message), never))).reason).toBe("BACKEND_TIMEOUT");
  });

  test("a refused or broken connection is BACKEND_UNAVAILABLE", async () => {
    const closed = await rawServer(() => {});
    await closed[Symbol.asyncDispose]();
    expect((await refusalOf(backend(closed.url).execute(command(), never))).reason).toBe("BACKEND_UNAVAILABLE");
    await using breaking = await rawServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"));
    expect((await refusalOf(backend(breaking.url).execute(command(), never))).reason).toBe("BACKEND_UNAVAILABLE");
  });

  test("an answer that is not HTTP is BACKEND_BAD_RESPONSE", async () => {
    await using rubbish = await rawServer((socket) => socket.end("rubbish rubbish rubbish\r\n\r\n"));
    expect((await refusalOf(backend(rubbish.url).execute(command(), never))).reason).toBe("BACKEND_BAD_RESPONSE");
    expect(rubbish.connections()).toBe(1);
  });

  test("a GET is retried if its persistent connection closes; a POST is never sent twice", async () => {
    let requests = 0;
    await using closing = await rawServer((socket, _data, nth) => {
      requests++;
      if (nth === 0) socket.write(http(200, { "content-type": "application/json" }, "{}"));
      else socket.resetAndDestroy();
    });
    const rest = backend(closing.url);
    await rest.execute(command(), never);
    expect((await rest.execute(command(), never)).resultCode).toBe("ok");
    requests = 0;
    const post = { messageType: "message.post", payloadBytes: Buffer.from("{}") };
    expect((await refusalOf(rest.execute(command(post), never))).reason).toBe("BACKEND_UNAVAILABLE");
    expect(requests).toBe(1);
  });
});

describe("a caller that aborts", () => {
  test("ends the call immediately and closes the connection to the backend", async () => {
    const closed = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    await using hanging = await rawServer((socket) => {
      arrived.resolve();
      socket.on("close", () => closed.resolve());
    });
    const caller = new AbortController();
    const metrics = new RecordingMetrics();
    const reply = refusalOf(backend(hanging.url, { metrics }).execute(command(), caller.signal));
    await arrived.promise;
    caller.abort();
    expect((await reply).reason).toBe("BACKEND_TIMEOUT");
    await closed.promise;
    expect(metrics.values.get('sallyport_backend_seconds{route="profile.get",outcome="aborted"}')).toBe(1);
  });

  test("before the call starts prevents the call", async () => {
    seen = undefined;
    await refusalOf(backend(server.url.href).execute(command(), AbortSignal.abort()));
    expect(seen).toBeUndefined();
  });

  test("thousands of times leaks no memory", async () => {
    await using hanging = await rawServer(() => {});
    const rest = backend(hanging.url);
    const rounds = async (count: number) => {
      for (let round = 0; round < count; round++) {
        const caller = new AbortController();
        const calls = Array.from({ length: 50 }, () => refusalOf(rest.execute(command(), caller.signal)));
        setImmediate(() => caller.abort());
        await Promise.all(calls);
      }
      Bun.gc(true);
      return process.memoryUsage.rss();
    };
    const before = await rounds(20);
    const after = await rounds(40);
    expect((after - before) / 2000).toBeLessThan(10_000);
  });
});

describe("a backend that hangs on many commands", () => {
  test("receives at most callsMax concurrent calls; the others wait until their timeout", async () => {
    await using hanging = await rawServer(() => {});
    const rest = backend(hanging.url, { callsMax: 4 });
    const calls = Array.from({ length: 12 }, () => refusalOf(rest.execute(command({ messageType: "message.hurried" }), never)));
    expect((await Promise.all(calls)).every((refusal) => refusal.reason === "BACKEND_TIMEOUT")).toBe(true);
    expect(hanging.connections()).toBeLessThanOrEqual(8);
  });
});

test("an invalid payload is refused without calling the backend", async () => {
  seen = undefined;
  const invalid = await refusalOf(
    execute({ messageType: "message.send", payloadBytes: Buffer.from('{"room_id":"../../internal"}') }),
  );
  expect([invalid.reason, invalid.metadata["field"]]).toEqual(["PAYLOAD_INVALID", "room_id"]);
  expect(seen).toBeUndefined();
});

test("routes are found by message type", () => {
  const budget = { rate: 2, burst: 3 };
  const routes = new RouteTable([{ message_type: "message.post", method: "POST", path: "/a", budget }]);
  const rest = restBackend("http://127.0.0.1:1", { routes });
  expect(rest.route("message.post")?.budget).toEqual({ ratePerSecond: 2, burst: 3, shadow: undefined });
  expect(rest.route("no.route")).toBeUndefined();
});

test("sallyport_backend_seconds counts every outcome by route", async () => {
  const metrics = new RecordingMetrics();
  answer = () => Response.json({});
  await execute({}, { metrics });
  answer = () => Response.json({}, { status: 409 });
  await execute({}, { metrics });
  answer = () => new Response(null, { status: 503 });
  await refusalOf(execute({}, { metrics }));
  const outcomes = [...metrics.values.keys()].map((key) => /outcome="(\w+)"/.exec(key)?.[1]);
  expect(outcomes).toEqual(["ok", "business_error", "unavailable"]);
});
