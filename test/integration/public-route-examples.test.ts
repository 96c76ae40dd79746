import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { SallyportClient } from "../../src/client/client.ts";
import { generateExportableDeviceKey } from "../../src/client/device-key.ts";
import { login } from "../../src/client/login.ts";
import { RequestSigner } from "../../src/client/request-signer.ts";
import { loadConfig } from "../../src/config/load.ts";
import { EMAIL_LOGIN } from "../../src/core/public-routes.ts";
import { GUEST_LOGIN } from "../../src/dev/auth-api.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** The examples of proto/public-routes.md, as they stand there, each against a small backend. */

const PAGE = await Bun.file(join(import.meta.dir, "../../proto/public-routes.md")).text();

/** The public routes of the example under this heading. */
function example(heading: string) {
  const [, section = ""] = PAGE.split(`\n### ${heading}\n`);
  const [, toml] = /```toml\n([\s\S]*?)```/.exec(section) ?? [];
  if (toml === undefined) throw new Error(`the page has no example ${heading}`);
  return loadConfig({ env: {}, argv: ["--config", "example.toml"], readFile: () => toml }).public_routes;
}

let world: World;
afterEach(() => world.close());

/** The sessions of the small backend, by id: the key that a login registered. */
const sessions = new Map<string, string>();

/** Opens a gateway with the example. Its backend has these handlers in addition to those of the embedded backend. */
async function open(heading: string, handlers: Readonly<Record<string, (request: Request) => Response | Promise<Response>>>) {
  world = await openWorld({ public_routes: example(heading) });
  sessions.clear();
  for (const [path, handler] of Object.entries(handlers)) world.faults.on(path, handler);
}

/** What a backend does at the end of a login: it stores the key, and answers with the session. */
async function registered(body: { client_public_key: string }, more: object = {}): Promise<Response> {
  const id = `ds-${sessions.size}`;
  sessions.set(id, body.client_public_key);
  world.faults.on(`/api/v1/internal/sessions/${id}`, () =>
    Response.json({ device_session_id: id, user_id: `user-of-${id}`, client_public_key: sessions.get(id), status: "active" }),
  );
  world.faults.on("/api/v1/user/profile", ({ headers }) => Response.json({ id: headers.get("x-user-id") }));
  return Response.json({ device_session_id: id, ...more });
}

async function call(method: string, path: string, body?: object) {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await fetch(`${world.gateway.edgeUrl}${path}`, { method, ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === "" ? undefined : JSON.parse(text) };
}

const deviceKey = await generateExportableDeviceKey();
const client_public_key = Buffer.from(deviceKey.publicKey).toString("base64");

/** Whether the session accepts commands that this device signs. */
async function canCommand(deviceSessionId: string): Promise<boolean> {
  const [variant] = VARIANTS;
  if (variant === undefined) throw new Error("no variant");
  const signer = new RequestSigner({ deviceSessionId, deviceKey });
  const client = createClient(Gateway, world.transport(variant));
  const answer = await client.executeCommand(await signer.sign("user.profile.get", new Uint8Array(0)));
  return answer.envelope?.resultCode === "ok" && Buffer.from(answer.payloadBytes).toString().includes(deviceSessionId);
}

test("login by e-mail code: the example is the default table", async () => {
  await open("Login by e-mail code", {});
  expect(world.config.public_routes).toEqual(EMAIL_LOGIN);
  expect((await world.login()).deviceSessionId).not.toBe("");
});

test("guest login: one call gives a session, and a network gets three of them", async () => {
  const PATH = "/api/v1/public/auth/guest";
  expect(example("Guest login")).toEqual([GUEST_LOGIN]);
  await open("Guest login", { [PATH]: async (request) => registered(await request.json()) });
  const answers = [];
  for (let n = 0; n < 4; n++) answers.push(await call("POST", PATH, { client_public_key, metadata: { device: "kiosk" } }));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  expect(answers[0]?.headers.get("ratelimit-policy")).toBe('"guest";q=3;w=30');
  expect(await canCommand(answers[0]?.json.device_session_id)).toBe(true);
  expect((await call("POST", PATH, { client_public_key: "AAAA" })).status).toBe(400);
});

test("the guest login of the embedded backend, by the client: the session works, and each guest is another user", async () => {
  await open("Guest login", {});
  const guest = () => login({ baseUrl: world.gateway.edgeUrl, path: GUEST_LOGIN.path, deviceKey });
  const sessionsOfGuests = [await guest(), await guest()];
  const profiles = await Promise.all(
    sessionsOfGuests.map(async (credentials) => {
      const client = new SallyportClient({ baseUrl: world.gateway.edgeUrl, credentials });
      return (await client.execute("user.profile.get")).payload;
    }),
  );
  expect(profiles).toEqual([
    {
      user_id: expect.any(String),
      email: expect.stringMatching(/^guest-.*@guest\.invalid$/),
      display_name: expect.any(String),
    },
    {
      user_id: expect.any(String),
      email: expect.stringMatching(/^guest-.*@guest\.invalid$/),
      display_name: expect.any(String),
    },
  ]);
  expect(new Set(profiles.map((profile) => JSON.stringify(profile))).size).toBe(2);
});

test("OIDC: the code of the identity provider becomes a session, and a refusal of the provider reaches the client", async () => {
  const used: unknown[] = [];
  // Real providers send codes and tokens of hundreds of characters.
  const good = `1.${"AbC-_9".repeat(250)}`;
  await open("OIDC", {
    "/login/oidc/example-id/exchange": async (request) => {
      const body: { code: string; code_verifier: string; client_public_key: string } = await request.json();
      used.push([body.code, body.code_verifier]);
      if (body.code !== good) return Response.json({ code: "code_refused", message: "…" }, { status: 401 });
      return registered(body, { user_is_new: true });
    },
  });
  const path = "/api/v1/public/auth/oidc/example-id";
  const fields = { code_verifier: "v".repeat(43), redirect_uri: "com.example.app:/callback", client_public_key };
  const accepted = await call("POST", path, { ...fields, code: good });
  expect([accepted.status, accepted.json.user_is_new]).toEqual([200, true]);
  expect(await canCommand(accepted.json.device_session_id)).toBe(true);
  const bad = await call("POST", path, { ...fields, code: "stale" });
  expect([bad.status, bad.json.code]).toEqual([401, "code_refused"]);
  expect(used).toEqual([
    [good, fields.code_verifier],
    ["stale", fields.code_verifier],
  ]);
  expect((await call("POST", "/api/v1/public/auth/oidc/..", { ...fields, code: good })).status).toBe(404);
});

test("passkeys: two calls, of which the second registers the key and may carry a large credential", async () => {
  const BEGIN = "/api/v1/public/auth/passkey/begin";
  const FINISH = "/api/v1/public/auth/passkey/finish";
  await open("Passkeys", {
    [BEGIN]: () => Response.json({ challenge_id: "c-1", publicKey: { challenge: "AAAA", allowCredentials: [] } }),
    [FINISH]: async (request) => {
      const body: { challenge_id: string; credential: { id: string }; client_public_key: string } = await request.json();
      if (body.challenge_id !== "c-1" || body.credential.id !== "cred-1")
        return Response.json({ code: "refused" }, { status: 422 });
      return registered(body);
    },
  });
  const begun = await call("POST", BEGIN, { username: "ada" });
  const response = { clientDataJSON: "x".repeat(20_000), authenticatorData: "AAAA", signature: "AAAA", userHandle: null };
  const finish = { challenge_id: begun.json.challenge_id, credential: { id: "cred-1", response }, client_public_key };
  const finished = await call("POST", FINISH, finish);
  expect(finished.status).toBe(200);
  expect(await canCommand(finished.json.device_session_id)).toBe(true);
});

test("sign-up: the mails to one address share a budget with login codes, and 204 reaches the client", async () => {
  await open("Sign-up", { "/accounts": () => new Response(null, { status: 204 }) });
  const account = { email: "ada@example.com", display_name: "Ada", terms_version: "3" };
  const { status, headers, json } = await call("POST", "/api/v1/public/accounts", account);
  expect([status, headers.get("content-type"), json]).toEqual([204, null, undefined]);
  expect(headers.get("ratelimit-policy")).toContain('"send_code";');
  expect((await call("POST", "/api/v1/public/accounts", { ...account, is_admin: true })).status).toBe(400);
});

test("server status: everybody may read and cache it, with a variable and a parameter", async () => {
  const targets: string[] = [];
  await open("Server status", {
    "/status/eu-1": (request) => {
      targets.push(request.url.slice(request.url.indexOf("/status")));
      return Response.json({ status: "ok" }, { headers: { "cache-control": "max-age=5", etag: '"7"', "x-secret": "1" } });
    },
  });
  const { status, headers, json } = await call("GET", "/api/v1/public/status/eu-1?locale=de%20CH");
  expect([status, json]).toEqual([200, { status: "ok" }]);
  expect([headers.get("cache-control"), headers.get("etag"), headers.get("x-secret")]).toEqual(["max-age=5", '"7"', null]);
  expect(targets).toEqual(["/status/eu-1?locale=de%20CH"]);
  expect((await call("HEAD", "/api/v1/public/status/eu-1")).status).toBe(200);
});
