import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { selfSigned } from "../support/certificates.ts";
import { type DevProcess, startDevProcess } from "../support/dev-process.ts";
import { runCommand } from "../support/process.ts";
import { http1, http2, type RawAnswer, type RawRequest } from "../support/raw-http.ts";
import { ANY_PORTS, SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** The playground over the network: its files, its headers, who may make its dev calls, and that `serve` has none of it. */

const JSON_TYPE = { "content-type": "application/json" };
const DEV_CALLS = ["/playground/setup", "/playground/dev/outbox", "/playground/dev/push", "/playground/dev/revoke"];
const RESTART = "/playground/dev/restart";

let one: DevProcess;
let own: DevProcess;
let secure: DevProcess;
beforeAll(async () => {
  const { certificateFile, keyFile } = await selfSigned("dev.test");
  const roomy = ["budgets.public_misc.rate=10000", "budgets.public_misc.burst=10000"];
  one = await startDevProcess(...roomy);
  own = await startDevProcess(...roomy, "edge.grpc=own-port");
  secure = await startDevProcess(...roomy, `tls.certificate_file=${certificateFile}`, `tls.key_file=${keyFile}`);
});
afterAll(async () => {
  for (const each of [one, own, secure]) await each.stop();
});

/** For answers without a body, which the raw connection would wait for. */
async function viaFetch(url: string, { method = "GET", path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
  const answer = await fetch(url + path, {
    method,
    headers,
    body: body === undefined ? null : String(body),
    ...{ tls: { rejectUnauthorized: false } },
  });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: Buffer.from(await answer.bytes()) };
}

type Send = (request: RawRequest) => Promise<RawAnswer | undefined>;

const ENTRIES: readonly (readonly [string, () => DevProcess, typeof http1 | typeof http2])[] = [
  ["one port, HTTP/1.1", () => one, http1],
  ["one port, HTTP/2", () => one, http2],
  ["own port, HTTP/1.1", () => own, http1],
  ["own port, HTTP/2", () => own, http2],
  ["one port with TLS, HTTP/1.1", () => secure, http1],
  ["one port with TLS, HTTP/2", () => secure, http2],
];

describe.each(ENTRIES)("%s", (_name, process, send) => {
  const host = () => new URL(process().edgeUrl).host;
  const over: Send = ({ headers, ...request }) =>
    send(process().edgeUrl, { method: "GET", ...request, headers: { ...(send === http1 && { Host: host() }), ...headers } });

  test("the page and each file that it names are served with their types, and nothing is inline", async () => {
    const page = await over({ path: "/" });
    expect(page).toMatchObject({
      status: 200,
      headers: { "content-type": "text/html;charset=utf-8", "cache-control": "no-cache" },
    });
    const html = page?.body.toString() ?? "";
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/);
    const paths = [...html.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(([, path = ""]) => path)
      .filter((path) => path.startsWith("/"));
    expect(paths.length).toBeGreaterThanOrEqual(3);
    const types = await Promise.all(paths.map(async (path) => [path, await over({ path })] as const));
    for (const [path, file] of types) {
      expect(path).toMatch(/^\/playground\/[\w-]+-\w{8}\.(js|css|svg)$/);
      expect(file).toMatchObject({ status: 200, headers: { "cache-control": "public, max-age=31536000, immutable" } });
      expect(file?.headers["content-type"]).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/);
      expect(file?.headers["x-content-type-options"]).toBe("nosniff");
    }
  });

  test("the policy of the page allows its own files only, and no frame", async () => {
    const policy = (await over({ path: "/" }))?.headers["content-security-policy"] ?? "";
    expect(policy.split("; ")).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ]),
    );
    expect(policy).not.toMatch(/unsafe|data:|\*|https?:/);
  });

  test("HEAD has the fields of GET and no body; a known entity tag is 304; other methods are refused", async () => {
    const bare: Send = (request) => (send === http1 ? viaFetch(process().edgeUrl, request) : over(request));
    const [page, head] = [await over({ path: "/" }), await bare({ method: "HEAD", path: "/" })];
    expect(head).toMatchObject({
      status: 200,
      headers: { etag: page?.headers["etag"], "content-type": page?.headers["content-type"] },
    });
    expect(head?.body.byteLength).toBe(0);
    const etag = page?.headers["etag"] ?? "";
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await bare({ path: "/", headers: { "if-none-match": known } });
      expect([again?.status, again?.body.byteLength]).toEqual([304, 0]);
    }
    expect(await over({ path: "/", headers: { "if-none-match": '"other"' } })).toMatchObject({ status: 200 });
    expect(await over({ method: "POST", path: "/" })).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  test("other paths stay as they are", async () => {
    for (const path of [
      "/index.html",
      "/playground",
      "/playground/",
      "/playground/dev",
      "/playground/..%2f",
      "/favicon.ico",
      "//",
    ]) {
      const answer = await over({ path });
      expect([path, answer?.status, JSON.parse(answer?.body.toString() ?? "").code]).toEqual([path, 404, "not_found"]);
    }
  });

  test("a foreign page, a foreign name and a proxy are refused by each dev call", async () => {
    const foreign: Readonly<Record<string, string>>[] = [
      { Host: "evil.example" },
      { Host: "localhost.evil.example" },
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { Origin: `https://${host()}.evil.example` },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
      { "X-Forwarded-For": "203.0.113.9" },
      { Forwarded: "for=203.0.113.9" },
      { Via: "1.1 proxy" },
    ];
    const lower = (headers: Readonly<Record<string, string>>) =>
      send === http1
        ? headers
        : Object.fromEntries(
            Object.entries(headers).map(([name, value]) => [name === "Host" ? ":authority" : name.toLowerCase(), value]),
          );
    for (const headers of foreign) {
      for (const path of [...DEV_CALLS, RESTART]) {
        const answer = await over({ method: "POST", path, headers: { ...JSON_TYPE, ...lower(headers) }, body: "{}" });
        expect([path, headers, answer?.status]).toEqual([path, headers, 403]);
      }
      expect(await over({ path: "/playground/dev/outbox", headers: lower(headers) })).toMatchObject({ status: 403 });
    }
  });

  test("a form of another page cannot make a dev call: the body must be JSON", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      for (const path of ["/playground/dev/push", "/playground/dev/revoke", RESTART]) {
        expect(await over({ method: "POST", path, headers: { "content-type": type }, body: "{}" })).toMatchObject({
          status: 415,
        });
      }
    }
    expect(await over({ path: RESTART })).toMatchObject({ status: 405 });
    expect(process().logged()).not.toContain("gateway restarting");
  });
});

test("the dev calls read the outbox, push and revoke, as the embedded backend's own do", async () => {
  const post = (path: string, body: unknown) =>
    fetch(one.edgeUrl + path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });
  const sent = await post("/api/v1/public/auth/send-email-code", { email: "grace@example.com" });
  const { challenge_id }: { challenge_id: string } = await sent.json();
  const outbox = async (url: string): Promise<unknown> => (await fetch(url)).json();
  const mails = await outbox(`${one.edgeUrl}/playground/dev/outbox`);
  expect(mails).toEqual(await outbox(`${one.backendUrl}/dev/outbox`));
  expect(mails).toContainEqual({ email: "grace@example.com", challenge_id, code: expect.stringMatching(/^\d{6}$/) });
  expect((await post("/playground/dev/push", { user_id: "u", event_type: "a.b" })).status).toBe(200);
  expect((await post("/playground/dev/push", { user_id: "u", event_type: "gateway.no" })).status).toBe(400);
  expect((await post("/playground/dev/revoke", { device_session_id: "none" })).status).toBe(404);
});

test("the start text names the page", () => {
  for (const each of [one, own, secure]) expect(each.logged()).toContain(`Open ${each.edgeUrl}/ in a browser`);
});

test("a large body of a dev call is refused", async () => {
  const body = JSON.stringify({ user_id: "u", event_type: "a.b", payload: "x".repeat(1024 * 1024) });
  const answer = await fetch(`${one.edgeUrl}/playground/dev/push`, { method: "POST", headers: JSON_TYPE, body });
  expect(answer.status).toBe(413);
});

test.each([
  ["one port", () => one],
  ["own port", () => own],
  ["one port with TLS", () => secure],
])("a restart keeps the ports and the signing key: %s", async (_name, process) => {
  const { edgeUrl, adminUrl, logged } = process();
  const keys = async () => (await viaFetch(edgeUrl, { path: "/.well-known/jwks.json" })).body.toString();
  const before = await keys();
  expect(await viaFetch(edgeUrl, { method: "POST", path: RESTART, headers: JSON_TYPE, body: "{}" })).toMatchObject({
    status: 202,
  });
  await until(() => logged().split("gateway started").length === 3, "the gateway to start again");
  expect(await keys()).toBe(before);
  expect((await fetch(`${adminUrl}/metrics`)).status).toBe(200);
});

test("no CORS setting opens the dev calls to pages of other origins", async () => {
  const open = await startDevProcess("cors.origins=*");
  const headers = { origin: "https://evil.example" };
  expect((await fetch(`${open.edgeUrl}/.well-known/jwks.json`, { headers })).status).toBe(200);
  for (const path of DEV_CALLS) expect((await fetch(open.edgeUrl + path, { headers })).status).toBe(403);
  const post = { method: "POST", headers: { ...headers, ...JSON_TYPE }, body: "{}" };
  for (const path of [...DEV_CALLS, RESTART]) expect((await fetch(open.edgeUrl + path, post)).status).toBe(403);
  await open.stop();
});

test("every call of the page is charged to the budget of public calls", async () => {
  const limited = await startDevProcess("budgets.public_misc.rate=0.001", "budgets.public_misc.burst=2");
  const statuses: number[] = [];
  for (const path of ["/", "/playground/setup", "/"]) statuses.push((await fetch(limited.edgeUrl + path)).status);
  expect(statuses).toEqual([200, 200, 429]);
  await limited.stop();
});

test("sallyport dev can be started without the playground", async () => {
  const plain = await startDevProcess("playground.enabled=false");
  for (const path of ["/", ...DEV_CALLS, RESTART]) expect((await fetch(plain.edgeUrl + path)).status).toBe(404);
  expect(plain.logged()).not.toContain("playground");
  expect(await plain.stop()).toBe(0);
});

describe("sallyport serve", () => {
  async function serve(...settings: string[]) {
    const gateway = runCommand(["serve", ...ANY_PORTS, ...settings.flatMap((each) => ["--set", each])], SERVE_ENV);
    await until(() => gateway.stdout().includes("gateway started"), "the gateway to start");
    const line =
      gateway
        .stdout()
        .split("\n")
        .find((each) => each.includes("gateway started")) ?? "{}";
    const { edge }: { edge: string } = JSON.parse(line);
    return { edge, stop: () => gateway.kill("SIGTERM"), exited: gateway.exited };
  }

  test("serves no playground by default", async () => {
    const gateway = await serve();
    for (const path of ["/", ...DEV_CALLS, RESTART]) expect((await fetch(gateway.edge + path)).status).toBe(404);
    gateway.stop();
    expect(await gateway.exited).toBe(0);
  });

  test("with playground.enabled, serves the page and no dev calls", async () => {
    const gateway = await serve("playground.enabled=true");
    expect(await (await fetch(gateway.edge)).text()).toContain("Sallyport playground");
    expect(await (await fetch(`${gateway.edge}/playground/setup`)).json()).toEqual({
      key_algorithms: ["EdDSA", "ES256"],
      limits: { request_bytes_max: 512 * 1024, payload_bytes_max: 256 * 1024 },
    });
    for (const path of [...DEV_CALLS.slice(1), RESTART]) {
      const answer = await fetch(gateway.edge + path, { method: "POST", headers: JSON_TYPE, body: "{}" });
      expect(answer.status).toBe(404);
    }
    gateway.stop();
    expect(await gateway.exited).toBe(0);
  });
});
