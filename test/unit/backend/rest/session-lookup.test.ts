import { afterAll, beforeAll, expect, test } from "bun:test";
import { BackendSessionSource } from "../../../../src/backend/rest/session-lookup.ts";
import { describeCause } from "../../../../src/core/cause.ts";
import type { DeviceKeyAlgorithm, VerifyingKey } from "../../../../src/core/keys.ts";
import { PathPattern } from "../../../../src/core/path-pattern.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { rawServer } from "../support/raw-server.ts";
import { RecordingMetrics } from "../support/recorders.ts";

const RAW_KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const RECORD = {
  device_session_id: "s1",
  user_id: "user-1",
  client_public_key: Buffer.from(RAW_KEY).toString("base64"),
  status: "active",
};

/** An ES256 record, with 65 bytes of a key. */
const POINT = Uint8Array.from([4, ...RAW_KEY, ...RAW_KEY]);
const ES256_RECORD = { ...RECORD, client_public_key: Buffer.from(POINT).toString("base64"), client_key_algorithm: "ES256" };
/** A key that ends with this byte is not one, for the reader of keys in this test. */
const NOT_A_KEY = 0xff;

let answer: () => Response = () => Response.json(RECORD);
const paths: string[] = [];
let server: Bun.Server<undefined>;
let seenKey: readonly [DeviceKeyAlgorithm, Uint8Array] | undefined;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      paths.push(`${request.headers.get("authorization")} ${new URL(request.url).pathname}`);
      return answer();
    },
  });
});
afterAll(() => server.stop(true));

const key: VerifyingKey = { verify: () => true };

const PATH = "/api/v1/internal/sessions/{device_session_id}";

function source(url = server.url.href, metrics = new RecordingMetrics(), path = PATH, timeoutMs = 5000): BackendSessionSource {
  const toKey = (algorithm: DeviceKeyAlgorithm, raw: Uint8Array) => {
    seenKey = [algorithm, raw];
    return raw.at(-1) === NOT_A_KEY ? undefined : key;
  };
  return new BackendSessionSource({
    upstreams: upstreamAt(url, "s3cret"),
    path: new PathPattern(path),
    timeoutMs,
    toKey,
    metrics,
  });
}

async function reasonOf(lookUp: Promise<unknown>): Promise<string> {
  return lookUp.then(
    () => "answered",
    (thrown) => (thrown instanceof Refusal && thrown.cause !== undefined ? thrown.reason : String(thrown)),
  );
}

test("a look-up returns the session of the backend's record, with its key", async () => {
  answer = () => Response.json(RECORD);
  const metrics = new RecordingMetrics();
  expect(await source(undefined, metrics).lookUp("s1")).toEqual({
    deviceSessionId: "s1",
    userId: "user-1",
    status: "active",
    key,
  });
  expect(seenKey).toEqual(["EdDSA", Buffer.from(RAW_KEY)]);
  expect(paths.at(-1)).toBe("Bearer s3cret /api/v1/internal/sessions/s1");
  expect(metrics.values.get('sallyport_session_lookups_total{outcome="found"}')).toBe(1);
});

test("the key is read with the algorithm of the record", async () => {
  answer = () => Response.json(ES256_RECORD);
  expect((await source().lookUp("s1"))?.key).toBe(key);
  expect(seenKey).toEqual(["ES256", Buffer.from(POINT)]);
  answer = () => Response.json({ ...RECORD, client_key_algorithm: "EdDSA" });
  await source().lookUp("s1");
  expect(seenKey?.[0]).toBe("EdDSA");
});

test.each([
  ["client_key_algorithm", { ...ES256_RECORD, client_key_algorithm: "es256" }],
  ["client_public_key", { ...ES256_RECORD, client_public_key: RECORD.client_public_key }],
])("the cause of a bad record names the member %s", async (member, record) => {
  answer = () => Response.json(record);
  const thrown = await source()
    .lookUp("s1")
    .catch((error: unknown) => error);
  expect(describeCause(thrown instanceof Refusal && thrown.cause)).toContain(member);
});

test("a revoked session is returned as revoked", async () => {
  answer = () => Response.json({ ...RECORD, status: "revoked" });
  expect((await source().lookUp("s1"))?.status).toBe("revoked");
});

test("a 404 with a JSON object means that the session does not exist", async () => {
  answer = () => Response.json({ code: "session_unknown" }, { status: 404 });
  expect(await source().lookUp("s1")).toBeUndefined();
});

test("path traversal: the ids . and .. are never sent to the backend", async () => {
  answer = () => Response.json({ ...RECORD, device_session_id: ".." });
  const before = paths.length;
  expect(await source().lookUp("..")).toBeUndefined();
  expect(await source().lookUp(".")).toBeUndefined();
  expect(paths.length).toBe(before);
  answer = () => Response.json({}, { status: 404 });
  await source().lookUp("...");
  expect(paths.at(-1)).toEndWith("/sessions/...");
});

const WRONG: [string, () => Response][] = [
  ["another session's record", () => Response.json({ ...RECORD, device_session_id: "s2" })],
  ["an empty user id", () => Response.json({ ...RECORD, user_id: "" })],
  ["a user id that is a number", () => Response.json({ ...RECORD, user_id: 7 })],
  ["a user id with a line break", () => Response.json({ ...RECORD, user_id: "a\r\nX-Admin: 1" })],
  ["a user id with a space", () => Response.json({ ...RECORD, user_id: "a b" })],
  ["a user id that is too long", () => Response.json({ ...RECORD, user_id: "u".repeat(257) })],
  ["a key of 31 bytes", () => Response.json({ ...RECORD, client_public_key: Buffer.alloc(31).toString("base64") })],
  ["a key of 33 bytes", () => Response.json({ ...RECORD, client_public_key: Buffer.alloc(33).toString("base64") })],
  ["a key that is not base64", () => Response.json({ ...RECORD, client_public_key: `${"*".repeat(43)}=` })],
  ["a key with stray bits", () => Response.json({ ...RECORD, client_public_key: `${"A".repeat(42)}B=` })],
  [
    "a key that the algorithm does not accept",
    () => Response.json({ ...RECORD, client_public_key: Buffer.alloc(32, NOT_A_KEY).toString("base64") }),
  ],
  ...["es256", "ES256 ", "", "Ed25519", "ES384", null, ["ES256"], { 0: "ES256" }, 1, false].map(
    (client_key_algorithm): [string, () => Response] => [
      `an ES256 key with the algorithm ${JSON.stringify(client_key_algorithm)}`,
      () => Response.json({ ...ES256_RECORD, client_key_algorithm }),
    ],
  ),
  ["an ES256 key of 32 bytes", () => Response.json({ ...RECORD, client_key_algorithm: "ES256" })],
  ["an EdDSA key of 65 bytes", () => Response.json({ ...ES256_RECORD, client_key_algorithm: "EdDSA" })],
  ["a key of 65 bytes without an algorithm", () => Response.json({ ...ES256_RECORD, client_key_algorithm: undefined })],
  [
    "an ES256 key of 64 bytes",
    () => Response.json({ ...ES256_RECORD, client_public_key: Buffer.alloc(64).toString("base64") }),
  ],
  [
    "an ES256 key without padding",
    () => Response.json({ ...ES256_RECORD, client_public_key: ES256_RECORD.client_public_key.replace("=", "") }),
  ],
  ["no key", () => Response.json({ ...RECORD, client_public_key: undefined })],
  ["an unknown status", () => Response.json({ ...RECORD, status: "Active" })],
  ["an array", () => Response.json([RECORD])],
  ["broken JSON", () => new Response("{", { headers: { "content-type": "application/json" } })],
  [
    "a record with another Content-Type",
    () => new Response(JSON.stringify(RECORD), { headers: { "content-type": "text/plain" } }),
  ],
  ["a 404 with HTML", () => new Response("<h1>404 Not Found</h1>", { status: 404, headers: { "content-type": "text/html" } })],
  ["a 404 with JSON as text/plain", () => new Response("{}", { status: 404, headers: { "content-type": "text/plain" } })],
  ["a 404 with broken JSON", () => new Response("{", { status: 404, headers: { "content-type": "application/json" } })],
  ["a 404 with a JSON array", () => Response.json([], { status: 404 })],
  ["a 404 with null", () => Response.json(null, { status: 404 })],
  ["an empty 404", () => new Response(null, { status: 404 })],
  [
    "an empty 404 with Content-Type JSON",
    () => new Response(null, { status: 404, headers: { "content-type": "application/json" } }),
  ],
  ["410", () => Response.json({}, { status: 410 })],
  ["403", () => Response.json({}, { status: 403 })],
  ["407", () => Response.json({}, { status: 407 })],
  ["a 200 with HTML", () => new Response("<p>")],
  ["203", () => Response.json(RECORD, { status: 203 })],
  ["401", () => Response.json(RECORD, { status: 401 })],
  ["500", () => Response.json(RECORD, { status: 500 })],
  ["a redirect", () => Response.redirect("/api/v1/internal/sessions/s1", 302)],
  ["a record above the size limit", () => Response.json({ ...RECORD, more: "x".repeat(20_000) })],
];
for (const [name, respond] of WRONG) {
  test(`${name} is SESSION_LOOKUP_UNAVAILABLE`, async () => {
    answer = respond;
    expect(await reasonOf(source().lookUp("s1"))).toBe("SESSION_LOOKUP_UNAVAILABLE");
  });
}

test("an unreachable or silent backend is SESSION_LOOKUP_UNAVAILABLE", async () => {
  await using silent = await rawServer(() => {});
  const metrics = new RecordingMetrics();
  expect(await reasonOf(source(silent.url, metrics, PATH, 100).lookUp("s1"))).toBe("SESSION_LOOKUP_UNAVAILABLE");
  expect(await reasonOf(source("http://127.0.0.1:1", metrics).lookUp("s1"))).toBe("SESSION_LOOKUP_UNAVAILABLE");
  expect(metrics.values.get('sallyport_session_lookups_total{outcome="unavailable"}')).toBe(2);
});

test("the look-up's path is the template with the id in place of its variable, below the path of the backend's URL", async () => {
  answer = () => Response.json(RECORD);
  const lookUp = (path: string) => source(`${server.url.href}base/`, new RecordingMetrics(), path).lookUp("s1");
  for (const path of ["/internal/devices/{device_session_id}", "/internal/{device_session_id}/session"]) {
    expect((await lookUp(path))?.userId).toBe("user-1");
  }
  const requested = paths.slice(-2).map((line) => line.split(" ").at(-1));
  expect(requested).toEqual(["/base/internal/devices/s1", "/base/internal/s1/session"]);
});
