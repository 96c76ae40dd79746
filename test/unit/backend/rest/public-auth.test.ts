import { afterAll, beforeAll, expect, test } from "bun:test";
import { PublicAuth } from "../../../../src/backend/rest/public-auth.ts";
import type { PublicAnswer } from "../../../../src/core/backend.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { PLAIN_CALL } from "../../../support/public-rows.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { rawServer } from "../support/raw-server.ts";

const PATH = "/api/v1/public/auth/send-email-code";

let answer: () => Response = () => Response.json({});
let seen: { line: string; headers: Headers; body: unknown } | undefined;
let server: Bun.Server<undefined>;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      seen = {
        line: `${request.method} ${new URL(request.url).pathname}`,
        headers: request.headers,
        body: await request.json(),
      };
      return answer();
    },
  });
});
afterAll(() => server.stop(true));

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function forward(body: object = {}, url = server.url.href, caller = new AbortController().signal): Promise<PublicAnswer> {
  const trace = () => ({ traceparent: TRACEPARENT, tracestate: undefined });
  const auth = new PublicAuth({ upstreams: upstreamAt(url, "s3cret"), timeoutMs: 100, responseBytesMax: 16_384, trace });
  const context = {
    peerAddress: "192.0.2.1",
    acceptLanguage: "fr",
    userAgent: "app/1\r\nX-Admin: 1",
    traceparent: undefined,
    tracestate: undefined,
  };
  return auth.forward({ ...PLAIN_CALL, target: PATH, body }, context, caller);
}

async function reasonOf(answered: Promise<unknown>): Promise<string> {
  return answered.then(
    () => "answered",
    (thrown) => (thrown instanceof Refusal && thrown.cause !== undefined ? thrown.reason : String(thrown)),
  );
}

test("a login call is forwarded with the client's address and language", async () => {
  answer = () => Response.json({ challenge_id: "c1" });
  const reply = await forward({ email: "a@b.c" });
  expect(seen).toMatchObject({ line: `POST ${PATH}`, body: { email: "a@b.c" } });
  expect(seen?.headers.get("x-forwarded-for")).toBe("192.0.2.1");
  expect(seen?.headers.get("accept-language")).toBe("fr");
  expect(seen?.headers.get("user-agent")).toBe("sallyport");
  expect(seen?.headers.get("traceparent")).toBe(TRACEPARENT);
  expect(seen?.headers.get("content-type")).toBe("application/json");
  expect(seen?.headers.get("authorization")).toBe("Bearer s3cret");
  expect(reply.status).toBe(200);
  expect(Buffer.from(reply.body).toString()).toBe('{"challenge_id":"c1"}');
});

test("a 4xx answer is passed on unchanged, with a Retry-After in seconds", async () => {
  answer = () => Response.json({ code: "wrong_code" }, { status: 422 });
  expect(await forward()).toMatchObject({ status: 422, retryAfter: undefined });
  answer = () => Response.json({ code: "slow_down" }, { status: 429, headers: { "Retry-After": "60" } });
  expect(await forward()).toMatchObject({ status: 429, retryAfter: "60" });
  answer = () => Response.json({}, { status: 429, headers: { "Retry-After": "soon, or never" } });
  expect(await forward()).toMatchObject({ status: 429, retryAfter: undefined });
});

test("any other answer becomes a BACKEND_* refusal", async () => {
  const refusals: [() => Response, string][] = [
    [() => new Response("<p>stack trace</p>", { headers: { "content-type": "text/html" } }), "BACKEND_BAD_RESPONSE"],
    [() => new Response("<p>", { status: 404, headers: { "content-type": "text/html" } }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json("x".repeat(20_000)), "BACKEND_BAD_RESPONSE"],
    [() => Response.redirect("/elsewhere", 302), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({ stack: "…" }, { status: 500 }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({ code: "token_invalid" }, { status: 401 }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({}, { status: 401, headers: { "WWW-Authenticate": "Bearer" } }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({ code: "forbidden" }, { status: 403 }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({ code: "proxy" }, { status: 407 }), "BACKEND_BAD_RESPONSE"],
    [() => Response.json({}, { status: 503 }), "BACKEND_UNAVAILABLE"],
    [() => Response.json({}, { status: 504 }), "BACKEND_TIMEOUT"],
  ];
  for (const [respond, reason] of refusals) {
    answer = respond;
    expect(await reasonOf(forward())).toBe(reason);
  }
});

test("an unreachable or silent backend, or an aborted caller, ends the call with a refusal", async () => {
  expect(await reasonOf(forward({}, "http://127.0.0.1:1"))).toBe("BACKEND_UNAVAILABLE");
  await using silent = await rawServer(() => {});
  expect(await reasonOf(forward({}, silent.url))).toBe("BACKEND_TIMEOUT");
  expect(await reasonOf(forward({}, silent.url, AbortSignal.abort()))).toBe("BACKEND_TIMEOUT");
});
