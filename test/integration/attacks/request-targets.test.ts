import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AllListeners } from "../../support/all-listeners.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { http1, http2, type RawRequest } from "../../support/raw-http.ts";

/**
 * A path has one spelling. A proxy in front of the gateway may block, limit or log paths. No other spelling may reach the same handler.
 */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const JWKS = "/.well-known/jwks.json";

const all = new AllListeners();
beforeAll(() => all.open(), 30_000);
afterAll(() => all.close());

/** Other spellings that some servers treat as the same path. */
function aliasesOf(path: string): readonly string[] {
  const at = path.lastIndexOf("/");
  const folder = path.slice(0, at);
  const name = path.slice(at + 1);
  return [
    `${path}/`,
    `${path}//`,
    `/${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/%2e${path}`,
    `/x/%2E%2e${path}`,
    `/x%2f..${path}`,
    `${folder}/./${name}`,
    `${folder}/x/../${name}`,
    `${folder}//${name}`,
    `${folder}%2F${name}`,
    `${folder}%2f${name}`,
    `${folder}\\${name}`,
    `/x\\..${path}`,
    `${path}/.`,
    `${path}/x/..`,
    `${path};x=1`,
    `${folder};x=1/${name}`,
    `${path}%20`,
    `${path}%00`,
    `${path}%3F`,
    `${path}%23`,
    `${path}#x`,
    `/%${path.charCodeAt(1).toString(16)}${path.slice(2)}`,
    `${folder}/%${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
    path.toUpperCase(),
    path.slice(0, -1) + path.slice(-1).toUpperCase(),
    `/http://edge.example${path}`,
  ].filter((alias) => alias.startsWith("/") && alias !== path);
}

const post = (path: string, body: string): RawRequest => ({ path, headers: { "content-type": "application/json" }, body });
const login = (path: string) => post(path, '{"email":"ada@example.com"}');

describe.each(all.entryPoints)("$name", ({ send, version }) => {
  test("an RPC is served under its exact path only", async () => {
    expect((await send(post(EXECUTE, "{}")))?.body.toString()).toContain("MALFORMED_ENVELOPE");
    expect((await send(post(`${EXECUTE}?x=1`, "{}")))?.body.toString()).toContain("MALFORMED_ENVELOPE");
    for (const path of aliasesOf(EXECUTE)) {
      const answer = await send(post(path, "{}"));
      expect([path, answer?.status]).toEqual([path, 404]);
    }
  });

  test("a target that is not a path is refused", async () => {
    const targets = ["*", "edge.example:443", "sallyport.v1.Gateway/ExecuteCommand", `\\${EXECUTE}`, `ftp://x${EXECUTE}`];
    for (const path of [...targets, `${EXECUTE}\tx`, `${EXECUTE}\u0001`]) {
      const answer = await send(post(path, "{}"));
      // Over HTTP/2 it is a stream error (RFC 9113 8.1.1).
      expect([path, answer?.status === 505 ? 400 : answer?.status]).toEqual([path, version === "HTTP/2" ? undefined : 400]);
    }
  });

  test("the absolute form is the same path over HTTP/1.1 (RFC 9112 3.2.2) and malformed over HTTP/2", async () => {
    for (const origin of ["http://edge.example", "https://other.example:8443", "HTTP://x"]) {
      const answer = await send(post(`${origin}${EXECUTE}`, "{}"));
      expect([origin, answer?.status]).toEqual([origin, version === "HTTP/2" ? undefined : 400]);
      if (version === "HTTP/1.1") expect(answer?.body.toString()).toContain("MALFORMED_ENVELOPE");
      const alias = await send(post(`${origin}${EXECUTE}/`, "{}"));
      expect([origin, alias?.status]).toEqual([origin, version === "HTTP/2" ? undefined : 404]);
    }
  });
});

describe.each(all.entryPoints.filter(({ name }) => !name.startsWith("gRPC listener")))("$name", ({ send }) => {
  test("public REST is served under its exact path only", async () => {
    for (const { SEND } of LOGIN_PATHS) {
      expect((await send(login(SEND)))?.status).toBe(200);
      expect((await send(login(`${SEND}?x=1`)))?.status).toBe(200);
      for (const path of aliasesOf(SEND)) {
        const answer = await send(login(path));
        expect([path, answer?.status]).toEqual([path, 404]);
      }
    }
    expect((await send({ method: "GET", path: JWKS }))?.status).toBe(200);
    for (const path of aliasesOf(JWKS)) {
      const answer = await send({ method: "GET", path });
      expect([path, answer?.status]).toEqual([path, 404]);
    }
  });
});

/** A Host that the admin listener accepts. */
const localHttp1: typeof http1 = (url, request) =>
  http1(url, { ...request, headers: { Host: "127.0.0.1", ...request.headers } });

describe.each([
  { version: "HTTP/1.1", send: localHttp1 },
  { version: "HTTP/2", send: http2 },
])("the admin listener, $version", ({ send }) => {
  const call = (request: RawRequest) => send(all.world("edge").gateway.adminUrl, request);

  test.each(["/healthz", "/readyz", "/metrics", "/streams"])("serves %s under its exact path only", async (path) => {
    expect((await call({ method: "GET", path }))?.status).toBe(200);
    for (const alias of aliasesOf(path)) {
      const answer = await call({ method: "GET", path: alias });
      expect([alias, answer?.status]).toEqual([alias, 404]);
    }
  });

  test("serves /revoke under its exact path only", async () => {
    const revoke = (path: string) => post(path, '{"user_id":"nobody"}');
    expect((await call(revoke("/revoke")))?.status).toBe(200);
    for (const alias of aliasesOf("/revoke")) expect([alias, (await call(revoke(alias)))?.status]).toEqual([alias, 404]);
  });
});

test("the embedded backend serves exact paths only", async () => {
  const { restUrl } = all.world("edge").backend;
  expect((await localHttp1(restUrl, { method: "GET", path: "/dev/outbox" }))?.status).toBe(200);
  for (const path of aliasesOf("/dev/outbox")) {
    const answer = await localHttp1(restUrl, { method: "GET", path });
    expect([path, answer?.status]).toEqual([path, 404]);
  }
});
