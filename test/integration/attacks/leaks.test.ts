import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import type { BucketStore } from "../../../src/core/buckets.ts";
import { REFUSALS } from "../../../src/core/refusal.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { openStores } from "../../../src/stores/open.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { CARRIERS } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Causes of internal errors appear in the log, never in answers. */

const SECRET = "secret 10.0.0.7 /srv/app/main.ts";
const INTERNALS = /secret|10\.0\.0\.7|\/srv|node_modules|\.ts\b|127\.0\.0\.1|at \w+ \(|stack/;
const EMPTY = new Uint8Array(0);

let broken = false;
let world: World;
beforeAll(async () => {
  world = await openWorld(
    {},
    {
      // Stores that throw an unexpected error instead of a refusal.
      openStores: async (...parts) => {
        const stores = await openStores(...parts);
        const failing = <T extends (...args: never[]) => unknown>(work: T) =>
          ((...args: Parameters<T>) => {
            if (broken) throw new Error(SECRET, { cause: new TypeError(SECRET) });
            return work(...args);
          }) as T;
        const failingBuckets = (buckets: BucketStore): BucketStore => ({
          take: failing(buckets.take.bind(buckets)),
          spend: failing(buckets.spend.bind(buckets)),
          check: buckets.check.bind(buckets),
        });
        return {
          ...stores,
          replay: { reserve: failing(stores.replay.reserve.bind(stores.replay)) },
          buckets: failingBuckets(stores.buckets),
          unverifiedBuckets: failingBuckets(stores.unverifiedBuckets),
        };
      },
    },
  );
});
afterAll(() => world.close());

const urlOf = (listener: "edge" | "grpc") => (listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl);

async function whileBroken<T>(work: () => Promise<T>): Promise<T> {
  broken = true;
  try {
    return await work();
  } finally {
    broken = false;
  }
}

function expectInternal(error: unknown): void {
  if (!(error instanceof ConnectError)) throw new Error("the call did not fail");
  expect(error.code).toBe(Code.Internal);
  expect(error.rawMessage).toBe(REFUSALS.INTERNAL.text);
  expect(refusalOf(error)).toEqual({ reason: "INTERNAL", metadata: {}, retryAfterMs: undefined });
  expect(Bun.inspect([error.rawMessage, error.metadata, error.details], { depth: 20 })).not.toMatch(/secret|10\.0\.0\.7|\/srv/);
}

describe.each(VARIANTS)("$name", (variant) => {
  test("an internal error refuses a command as INTERNAL, without its cause", async () => {
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("user.profile.get", EMPTY);
    expectInternal(await whileBroken(() => client.executeCommand(request).catch((error) => error)));
  });

  test("an internal error refuses a subscription as INTERNAL, without its cause", async () => {
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("gateway.subscribe", EMPTY);
    expectInternal(await whileBroken(() => Array.fromAsync(client.subscribeEvents(request)).catch((error) => error)));
  });

  test("a backend's answer with internal details is not forwarded", async () => {
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    for (const status of [200, 302, 401, 500, 503]) {
      world.faults.on("/api/v1/user/test/broken", () => new Response(SECRET, { status, headers: { "x-debug": SECRET } }));
      const error = await client.executeCommand(await device.signer.sign("test.broken", EMPTY)).catch((thrown) => thrown);
      expect(["BACKEND_BAD_RESPONSE", "BACKEND_UNAVAILABLE"]).toContain(refusalOf(error)?.reason ?? "admitted");
      expect(Bun.inspect([error.rawMessage, error.metadata, error.details], { depth: 20 })).not.toMatch(/secret|10\.0\.0\.7/);
    }
  });
});

test("the log has each internal error with its causes", async () => {
  const lines = () =>
    world
      .logged()
      .split("\n")
      .filter((line) => line.includes(SECRET));
  await until(() => lines().length >= 2 * VARIANTS.length, "the lines to be written");
  const cause = `Error: ${SECRET} < TypeError: ${SECRET}`;
  for (const line of lines()) expect(JSON.parse(line)).toMatchObject({ level: "error", reason: "INTERNAL", cause });
});

test.each(LOGIN_PATHS)("an internal error answers a public call of $rows with 500, without its cause", async ({ SEND }) => {
  const answer = await whileBroken(() =>
    fetch(`${world.gateway.edgeUrl}${SEND}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"email":"ada@example.com"}',
    }),
  );
  expect([answer.status, await answer.json()]).toEqual([500, { code: "internal", message: "an internal error occurred" }]);
});

describe.each(CARRIERS)("error pages over $name", ({ listener, send }) => {
  const requests = [
    { method: "GET", path: "/" },
    { method: "GET", path: "/index.php" },
    { method: "GET", path: "/../../etc/passwd" },
    { method: "GET", path: "/%zz" },
    { method: "GET", path: "/.env" },
    { method: "GET", path: "/sallyport.v1.Gateway/ExecuteCommand" },
    { path: "/sallyport.v1.Gateway/ExecuteCommand", headers: { "content-type": "text/html" } },
    { path: "/sallyport.v1.Gateway/ExecuteCommand", headers: { "content-type": "application/json" }, body: "{" },
    { path: "/sallyport.v1.Gateway/ExecuteCommand", headers: { "content-type": "application/proto" }, body: "\u0007" },
    { path: "/sallyport.v1.Gateway/Other", headers: { "content-type": "application/json" }, body: "{}" },
    { path: "/api/v1/public/auth/send-email-code", headers: { "content-type": "application/json" }, body: "{" },
    { path: "/v2/login/start", headers: { "content-type": "application/json" }, body: "{" },
    { path: "/api/v1/internal/sessions/x", headers: { "content-type": "application/json" }, body: "{}" },
  ] as const;

  test.each(requests)("$method $path $body: the answer has no stack, path, address or product name", async (request) => {
    const answer = await send(urlOf(listener), request);
    expect(answer?.status).toBeGreaterThanOrEqual(400);
    const { date: _date, ...headers } = answer?.headers ?? {};
    expect(`${JSON.stringify(headers)} ${answer?.body.toString()}`).not.toMatch(INTERNALS);
    expect(JSON.stringify(headers)).not.toMatch(/bun|elysia|powered|"server"/i);
  });
});

test("the admin listener answers an unknown path with a plain 404", async () => {
  for (const path of ["/", "/debug", "/env", "/%zz"]) {
    const response = await fetch(`${world.gateway.adminUrl}${path}`);
    expect([response.status, await response.json()]).toEqual([404, { code: "not_found", message: "there is nothing here" }]);
  }
});

test("the edge does not serve the paths of the admin listener", async () => {
  for (const path of ["/metrics", "/healthz", "/readyz"])
    expect((await fetch(`${world.gateway.edgeUrl}${path}`)).status).toBe(404);
});
