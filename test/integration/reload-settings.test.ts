import { afterEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { answers, HttpServer } from "../support/http-servers.ts";
import { outcomeOf } from "../support/outcome.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/** A reload applies the settings of each kind in every process, and a refused one applies none. */

const PROFILE = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" } as const;
const EMPTY = new Uint8Array();
/** One of each listener and HTTP version. */
const SOME_VARIANTS = VARIANTS.filter(({ name }) => name.startsWith("Connect proto"));
const ORIGIN = "https://app.example";

let world: World;
afterEach(() => world.close());

const reload = (settings: Partial<Config>) =>
  world.gateway.reload(() => loadConfig({ env: {}, overrides: { ...world.config, ...settings } }));

/** Sends calls over new connections, so that they reach every worker. Resolves to the different outcomes. */
async function outcomes(device: Device, messageType: string, payload = EMPTY): Promise<string[]> {
  const call = async (_: unknown, at: number) => {
    const variant = SOME_VARIANTS[at % SOME_VARIANTS.length] ?? expect.unreachable();
    const client = createClient(Gateway, world.transport(variant));
    return outcomeOf(
      async () => (await client.executeCommand(await device.signer.sign(messageType, payload))).envelope?.resultCode,
    );
  };
  return [...new Set(await Promise.all(Array.from({ length: 9 }, call)))].sort();
}

/** Sends requests over new connections. Resolves to the different results of `read`. */
async function over(path: string, init: RequestInit, read: (answer: Response) => unknown): Promise<unknown[]> {
  const ask = async () => {
    const answer = await fetch(`${world.gateway.edgeUrl}${path}`, { ...init, keepalive: false });
    await answer.body?.cancel();
    return read(answer);
  };
  return [...new Set(await Promise.all(Array.from({ length: 20 }, ask)))];
}

const eventually = (check: () => Promise<unknown[]>, expected: unknown) =>
  until(async () => Bun.deepEquals(await check(), [expected]), `every process to answer ${expected}`);

describe.each([
  { name: "one process", settings: {}, workers: 1 },
  { name: "one process, one port", settings: { "edge.grpc": "same-port" }, workers: 1 },
  { name: "two workers, one port", settings: { "edge.grpc": "same-port" }, workers: 2 },
] as const)("$name", ({ settings, workers }) => {
  const open = async (more: Partial<Config> = {}) => {
    world = await openWorld({ ...settings, ...more }, { workers });
    return world.login();
  };

  test("routes, upstreams, time-outs and payload limits", async () => {
    const device = await open({ routes: [PROFILE] });
    const other = new HttpServer(answers);
    try {
      expect(await outcomes(device, "user.get")).toEqual(["MESSAGE_TYPE_UNKNOWN"]);
      const renamed = { ...PROFILE, message_type: "user.get" };
      expect(await reload({ routes: [renamed] })).toMatchObject({
        kind: "reloaded",
        rows: { routes: { added: ["user.get"], removed: ["user.profile.get"] } },
      });
      await eventually(() => outcomes(device, "user.get"), "ok");
      expect(await outcomes(device, "user.profile.get")).toEqual(["MESSAGE_TYPE_UNKNOWN"]);

      world.faults.on("/api/v1/user/profile", () => new Promise<Response>(() => {}));
      await reload({ routes: [renamed], "backend.timeout_ms": 50 });
      await eventually(() => outcomes(device, "user.get"), "BACKEND_TIMEOUT");

      // The sessions are at the first server, and are cached.
      await reload({ routes: [renamed], "backend.url": other.url });
      await eventually(() => outcomes(device, "user.get"), "ok");
      expect(other.calls).toBeGreaterThan(0);

      await reload({ routes: [renamed], "backend.url": other.url, "limits.payload_bytes_max": 1024 });
      await eventually(() => outcomes(device, "user.get", new Uint8Array(1025)), "REQUEST_TOO_LARGE");
    } finally {
      await other.kill();
    }
  }, 60_000);

  test("origins and trusted proxies", async () => {
    await open();
    const allowed = () =>
      over("/.well-known/jwks.json", { headers: { origin: ORIGIN } }, (answer) =>
        answer.headers.get("access-control-allow-origin"),
      );
    expect(await allowed()).toEqual([null]);
    await reload({ "cors.origins": [ORIGIN] });
    await eventually(allowed, ORIGIN);

    // Each client has a budget of one call. Behind a trusted proxy, the clients are many.
    const tight = { "budgets.public_misc.rate": 0.001, "budgets.public_misc.burst": 1 };
    await reload(tight);
    let client = 0;
    const statuses = () =>
      over("/.well-known/jwks.json", { headers: { "x-forwarded-for": `192.0.2.${client++ % 250}` } }, ({ status }) => status);
    await until(async () => (await statuses()).includes(429), "the budget of the proxy to be spent");
    await reload({ ...tight, trusted_proxies: ["127.0.0.1"] });
    const each = async () => {
      const answers: unknown[] = [];
      for (let n = 0; n < 10; n++) {
        const headers = { "x-forwarded-for": `198.51.100.${client++ % 250}` };
        answers.push((await fetch(`${world.gateway.edgeUrl}/.well-known/jwks.json`, { headers, keepalive: false })).status);
      }
      return [...new Set(answers)];
    };
    await eventually(each, 200);
  }, 60_000);

  test("limits of streams; open streams stay open and get events", async () => {
    const device = await open();
    const [variant] = VARIANTS;
    const subscribe = () => EventSubscriber.open(world.transport(variant ?? expect.unreachable()), device);
    const first = await subscribe();
    await reload({ "streams.per_session_max": 1 });
    expect((await subscribe()).ended).toBe("TOO_MANY_STREAMS");
    await reload({});
    const second = await subscribe();
    await world.push({ user_id: device.userId, event_type: "test.a", payload: { n: 1 } });
    for (const each of [first, second]) await until(() => each.payloads("test.a").length === 1, "the event");
  }, 60_000);

  test("the log level", async () => {
    const device = await open();
    const calls = () => world.logged().split('"msg":"RPC finished"').length;
    /** Whether calls are logged in every process. Lines are written in batches, so the log of the calls before comes first. */
    const logs = async () => {
      await outcomes(device, "user.profile.get");
      await Bun.sleep(100);
      const before = calls();
      await outcomes(device, "user.profile.get");
      await Bun.sleep(100);
      return calls() - before;
    };
    await until(async () => (await logs()) > 0, "lines");
    await reload({ "log.level": "error" });
    await until(async () => (await logs()) === 0, "the lines to end");
    await reload({ "log.level": "info" });
    await until(async () => (await logs()) > 0, "lines again");
  }, 60_000);

  test("a refused reload changes nothing in any process", async () => {
    const device = await open({ routes: [PROFILE] });
    const changes = { routes: [], "cors.origins": [ORIGIN], "backend.timeout_ms": 1 };
    const broken = { ...changes, "backend.ca_file": "/nowhere/ca.pem" };
    expect(await reload(broken)).toMatchObject({ kind: "refused", problems: [expect.stringContaining("backend.ca_file")] });
    expect(await outcomes(device, "user.profile.get")).toEqual(["ok"]);
    const origin = await over("/.well-known/jwks.json", { headers: { origin: ORIGIN } }, (answer) =>
      answer.headers.get("access-control-allow-origin"),
    );
    expect(origin).toEqual([null]);
    await until(() => world.logged().includes("configuration reload refused"), "the log line");
  }, 60_000);
});
