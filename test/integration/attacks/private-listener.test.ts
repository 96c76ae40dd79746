import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPublishingWorld, PUSH_TOKEN, type PublishingWorld } from "../../support/publishing-world.ts";
import { http1, http2, RawHttp1, type RawRequest } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { metric } from "../../support/world.ts";

/** Attacks on the private listener. None of them may publish an event. */

let world: PublishingWorld;
beforeAll(async () => {
  world = await openPublishingWorld({ "connections.body_ms": 300, "push.items_per_second_max": 2000 });
});
afterAll(() => world.close());

const published = (from = world) => metric(from.gateway, "sallyport_events_total", '{kind="client_event"}');
const EVENT = JSON.stringify({ user_id: "u", event_type: "a.b" });
const AUTHORIZED = { authorization: `Bearer ${PUSH_TOKEN}`, "content-type": "application/json" };

const publish = (change: Partial<RawRequest> & { readonly headers?: Record<string, string> }): RawRequest => ({
  path: "/publish",
  body: EVENT,
  ...change,
});

/** Sends over HTTP/1.1 and HTTP/2. Returns both status codes. Nothing may be published. */
async function refusalOf(request: RawRequest) {
  const before = await published();
  const answers = [await http1(world.publishUrl, request), await http2(world.publishUrl, request)];
  expect(await published()).toBe(before);
  return answers;
}

const statusOf = async (request: RawRequest) => (await refusalOf(request)).map((answer) => answer?.status);

describe("a caller without the token", () => {
  const wrong: readonly (readonly [string, Record<string, string>])[] = [
    ["no header", {}],
    ["a scheme without a token", { authorization: "Bearer" }],
    ["another token of the same length", { authorization: `Bearer ${PUSH_TOKEN.slice(0, -1)}y` }],
    ["a prefix of the token", { authorization: `Bearer ${PUSH_TOKEN.slice(0, -1)}` }],
    ["the token and more", { authorization: `Bearer ${PUSH_TOKEN}x` }],
    ["the token twice", { authorization: `Bearer ${PUSH_TOKEN}, Bearer ${PUSH_TOKEN}` }],
    ["another scheme", { authorization: `Basic ${Buffer.from(`x:${PUSH_TOKEN}`).toString("base64")}` }],
    ["the token without a scheme", { authorization: PUSH_TOKEN }],
    ["another header", { "x-authorization": `Bearer ${PUSH_TOKEN}` }],
    ["a cookie", { cookie: `token=${PUSH_TOKEN}` }],
  ];
  test.each(wrong)("%s is refused on every path, with no hint", async (_, headers) => {
    for (const path of ["/publish", "/revoke", "/metrics", "/"]) {
      for (const answer of await refusalOf(publish({ path, headers: { "content-type": "application/json", ...headers } }))) {
        expect(answer?.status).toBe(401);
        expect(JSON.parse(String(answer?.body))).toEqual({
          code: "unauthenticated",
          message: "the bearer token is missing or wrong",
        });
        expect(answer?.headers["www-authenticate"]).toStartWith("Bearer");
      }
    }
  });

  test("a token in the URL is not accepted, and the log does not show it", async () => {
    const path = `/publish?access_token=${PUSH_TOKEN}`;
    expect(await statusOf(publish({ path, headers: { "content-type": "application/json" } }))).toEqual([401, 401]);
    expect(await statusOf(publish({ path, headers: AUTHORIZED }))).toEqual([400, 400]);
    expect(world.logged()).not.toContain(PUSH_TOKEN);
  });

  test("gets its refusal before a huge body is sent", async () => {
    const connection = await RawHttp1.open(world.publishUrl);
    connection.send("POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n");
    expect((await connection.answer())?.status).toBe(401);
    connection.close();
  });
});

describe("a web page that knows the token", () => {
  test.each([
    ["its origin", { origin: "https://evil.example" }],
    ["an opaque origin", { origin: "null" }],
    ["the listener's own origin, after DNS rebinding", { origin: "http://edge.example" }],
    ["fetch metadata", { "sec-fetch-site": "same-origin" }],
  ])("is refused by %s", async (_, headers) => {
    expect(await statusOf(publish({ headers: { ...AUTHORIZED, ...headers } }))).toEqual([403, 403]);
  });

  test("gets no CORS header, so a browser sends no Authorization header across origins", async () => {
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
    for (const answer of await refusalOf(publish({ method: "OPTIONS", headers, body: "" }))) {
      expect(answer?.status).toBe(401);
      expect(Object.keys(answer?.headers ?? {}).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test("cannot send a form or plain text", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      expect(await statusOf(publish({ headers: { ...AUTHORIZED, "content-type": type } }))).toEqual([415, 415]);
    }
  });
});

describe("a caller with the token", () => {
  test("cannot send a body of any size", async () => {
    const body = `{"user_id":"u","event_type":"a.b","payload":"${"x".repeat(4 * 1024 * 1024)}"}`;
    expect(await statusOf(publish({ headers: AUTHORIZED, body }))).toEqual([413, 413]);
    const inChunks = await http1(world.publishUrl, publish({ headers: AUTHORIZED, body }), true);
    expect(inChunks?.status).toBe(413);
  });

  test("cannot send an event over 1 MiB, or a compressed body", async () => {
    const body = `{"user_id":"u","event_type":"a.b","payload":"${"x".repeat(1024 * 1024)}"}`;
    expect(await statusOf(publish({ headers: AUTHORIZED, body }))).toEqual([400, 400]);
    const headers = { ...AUTHORIZED, "content-encoding": "gzip" };
    expect(await statusOf(publish({ headers, body: Bun.gzipSync(EVENT) }))).toEqual([415, 415]);
  });

  test("cannot hold a call with a slow body", async () => {
    const before = await published();
    const connection = await RawHttp1.open(world.publishUrl);
    const head = Object.entries(AUTHORIZED).map(([name, value]) => `${name}: ${value}\r\n`);
    connection.send(`POST /publish HTTP/1.1\r\nHost: x\r\n${head.join("")}Content-Length: ${EVENT.length}\r\n\r\n{`);
    expect((await connection.answer())?.status).toBe(400);
    connection.close();
    expect(await published()).toBe(before);
  });

  test("publishes nothing with a body that ends too soon", async () => {
    const before = await published();
    const connection = await RawHttp1.open(world.publishUrl);
    const head = Object.entries(AUTHORIZED).map(([name, value]) => `${name}: ${value}\r\n`);
    connection.send(`POST /publish HTTP/1.1\r\nHost: x\r\n${head.join("")}Content-Length: ${EVENT.length + 5}\r\n\r\n${EVENT}`);
    connection.socket.end();
    await until(() => connection.closed, "the connection to end");
    expect(await published()).toBe(before);
  });

  test("is refused above its rate, with a Retry-After", async () => {
    const event = { user_id: "u", event_type: "a.b" };
    const batch = { events: Array.from({ length: 1000 }, () => event) };
    const answers = await Promise.all(Array.from({ length: 6 }, () => world.call("/publish", batch)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
    await until(async () => (await world.call("/publish", event)).status === 200, "the bucket to fill");
  });

  test("uses POST only, on the exact paths", async () => {
    for (const method of ["GET", "PUT", "DELETE"])
      expect(await statusOf(publish({ method, headers: AUTHORIZED, body: "" }))).toEqual([405, 405]);
    for (const path of ["/publish/", "/Publish", "/x/../publish", "//publish", "/streams"])
      expect(await statusOf(publish({ path, headers: AUTHORIZED }))).toEqual([404, 404]);
  });
});

describe("request smuggling", () => {
  const head = `Host: x\r\nAuthorization: Bearer ${PUSH_TOKEN}\r\nContent-Type: application/json\r\n`;
  const hidden = `POST /publish HTTP/1.1\r\n${head}Content-Length: ${EVENT.length}\r\n\r\n${EVENT}`;
  const cases: readonly (readonly [string, string])[] = [
    ["a length and chunks", `Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ["two lengths", `Content-Length: 2\r\nContent-Length: ${hidden.length}\r\n\r\n{}${hidden}`],
    ["a space before the colon", `Content-Length : 2\r\n\r\n{}${hidden}`],
    ["an unknown transfer coding", `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`],
    ["a folded header", `X: a\r\n b\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n${hidden}`],
  ];
  test.each(cases)("%s: the hidden request is not served", async (_, rest) => {
    const before = await published();
    const connection = await RawHttp1.open(world.publishUrl);
    connection.send(`POST /revoke HTTP/1.1\r\n${head}${rest}`);
    await until(() => connection.closed || connection.received.byteLength > 0, "an answer");
    connection.socket.end();
    await until(() => connection.closed, "the connection to end");
    expect(await published()).toBe(before);
  });
});

describe("the token file", () => {
  let opened = new AsyncDisposableStack();
  afterEach(() => opened.disposeAsync());

  function tokenFile(text: string): string {
    opened = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "sallyport-token-"));
    opened.defer(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "token");
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }
  const [first, second] = ["first".padEnd(32, "1"), "second".padEnd(32, "2")];

  test("rotates without a restart: old, both, new; an unusable file keeps the tokens", async () => {
    const file = tokenFile(`${first}\n`);
    const rotating = await openPublishingWorld({ "push.token": undefined, "push.token_file": file });
    opened.defer(() => rotating.close());
    const statusWith = async (token: string) =>
      (await http1(rotating.publishUrl, publish({ headers: { ...AUTHORIZED, authorization: `bearer ${token}` } })))?.status;
    const statuses = async () => [await statusWith(first), await statusWith(second)];
    const replace = (text: string) => {
      writeFileSync(`${file}.next`, text);
      renameSync(`${file}.next`, file);
    };
    expect(await statuses()).toEqual([200, 401]);
    replace(`${first}\n${second}\n`);
    expect(await statuses()).toEqual([200, 200]);
    replace(second);
    expect(await statuses()).toEqual([401, 200]);
    replace("short");
    expect(await statuses()).toEqual([401, 200]);
    await until(() => rotating.logged().includes("push token file unusable"), "the log line");
    expect(rotating.logged()).not.toContain(second);
  });

  test.each([
    ["an empty file", "", "expected 1 to 8 lines"],
    ["a short token", "secret", "at least 32"],
  ])("the start refuses %s, without showing it", async (_, text, expected) => {
    const file = tokenFile(text);
    const start = openPublishingWorld({ "push.token": undefined, "push.token_file": file });
    const error = await start.then(
      () => "started",
      (thrown: unknown) => String(thrown),
    );
    expect(error).toContain("push.token_file");
    expect(error).toContain(expected);
    if (text !== "") expect(error).not.toContain(text);
  });
});
