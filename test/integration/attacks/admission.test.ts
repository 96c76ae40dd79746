import { describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { startGateway } from "../../../src/app/gateway.ts";
import { SallyportClient } from "../../../src/client/client.ts";
import { refusalOf } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { createLog } from "../../../src/observe/log.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { RawHttp1 } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, metric, type World, withWorld } from "../../support/world.ts";

/** Concurrent requests from many addresses, before and after a restart. The gateway admits exactly what its contract documents. */

const EMPTY = new Uint8Array(0);
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const PROXIED: Partial<Config> = { trusted_proxies: ["127.0.0.1"] };
const [variant] = VARIANTS;

function caller(world: World) {
  const client = createClient(Gateway, world.transport(variant ?? expect.unreachable()));
  return (request: object, from?: string): Promise<string> => {
    const headers: HeadersInit = from === undefined ? {} : { "x-forwarded-for": from };
    return outcomeOf(async () => (await client.executeCommand(request, { headers })).envelope?.resultCode);
  };
}

const sign = (device: Device) => device.signer.sign("user.profile.get", EMPTY);

async function forged(device: Device, deviceSessionId: string) {
  const request = await sign(device);
  return { ...request, envelope: { ...request.envelope, deviceSessionId } };
}

const count = (outcomes: readonly string[], wanted: string) => outcomes.filter((each) => each === wanted).length;

describe("a thousand concurrent guesses of session ids", () => {
  test("cause one look-up at the backend for each token of the failure budget", () =>
    withWorld({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 20 }, async (world) => {
      const [device, call] = [await world.login(), caller(world)];
      const guesses = Array.from({ length: 1000 }, (_, n) => `guess-${n}`);
      for (const guess of guesses) {
        world.faults.on(sessionPath(guess), async () => {
          await Bun.sleep(20);
          return Response.json({}, { status: 404 });
        });
      }
      const outcomes = await Promise.all(guesses.map(async (guess) => call(await forged(device, guess))));
      expect(guesses.reduce((sum, guess) => sum + world.faults.calls(sessionPath(guess)), 0)).toBe(20);
      expect(count(outcomes, "SESSION_NOT_FOUND")).toBe(20);
      expect(count(outcomes, "RATE_LIMITED failures")).toBe(980);
    }));

  test("a hundred sessions that reconnect concurrently from one address are all admitted at the first attempt", () =>
    withWorld({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 5 }, async (world) => {
      const devices = await Promise.all(Array.from({ length: 100 }, () => world.login()));
      const call = caller(world);
      const outcomes = await Promise.all(devices.map(async (device) => call(await sign(device))));
      expect(count(outcomes, "ok")).toBe(100);
    }));
});

describe("after a restart", () => {
  test("a request that was admitted before is refused, and the client signs new requests that are admitted", () =>
    withWorld({}, async (world) => {
      const [device, call] = [await world.login(), caller(world)];
      const request = await sign(device);
      expect(await call(request)).toBe("ok");
      await world.gateway.stop();
      const overrides: Partial<Config> = {
        ...{ "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT, "push.backoff_min_ms": 10 },
        ...{ "backend.url": world.faults.url, "push.url": world.backend.pushUrl, "budgets.failures.burst": 1 },
        routes: [{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }],
      };
      const log = createLog({ level: "error", format: "json", write: () => {} });
      const gateway = await startGateway({ config: loadConfig({ env: {}, overrides }), log });
      try {
        const transport = variant?.open(gateway.edgeUrl) ?? expect.unreachable();
        const again = await createClient(Gateway, transport)
          .executeCommand(request)
          .catch((error) => refusalOf(error));
        expect(again).toMatchObject({ reason: "TIMESTAMP_OUT_OF_WINDOW" });
        expect(world.faults.calls("/api/v1/user/profile")).toBe(1);
        // Also if the client's clock is two seconds slow, so that it signs with a time before the start.
        const { deviceSessionId, deviceKey } = device;
        const client = new SallyportClient({
          transport,
          credentials: { deviceSessionId, deviceKey },
          keys: new GatewayKeys(gateway.edgeUrl),
          now: () => Date.now() - 2000,
        });
        for (let n = 0; n < 5; n++) expect((await client.execute("user.profile.get")).resultCode).toBe("ok");
      } finally {
        await gateway.stop();
      }
    }));
});

describe("a spoofed proxy header in its own line: the address that the trusted proxy appended is used", () => {
  const BODY = '{"envelope":{}}';
  const PATH = "/sallyport.v1.Gateway/ExecuteCommand";
  const cases = [
    ["x-forwarded-for", ["1.1.1.1", "198.51.100.7"]],
    ["x-forwarded-for", ["1.1.1.1, 2.2.2.2", "198.51.100.7, 127.0.0.1"]],
    ["forwarded", ["for=1.1.1.1", "for=198.51.100.7"]],
    ["forwarded", ['for="1.1.1.1', 'for="198.51.100.7:80";proto=https']],
  ] as const;

  const loggedPeers = (world: World) =>
    [...world.logged().matchAll(/"msg":"RPC finished".*?"peer":"([^"]*)"/g)].map(([, peer]) => peer);

  for (const [header, lines] of cases) {
    test(`${header}: ${lines.join(" | ")}`, () =>
      withWorld({ ...PROXIED, trusted_proxies_header: header }, async (world) => {
        const connection = await RawHttp1.open(world.gateway.edgeUrl);
        const fields = lines.map((line) => `${header}: ${line}\r\n`).join("");
        connection.send(
          `POST ${PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n${fields}Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
        );
        await connection.answer();
        connection.close();
        for (const url of [world.gateway.edgeUrl, world.gateway.grpcUrl]) {
          const connection = connectHttp2(url);
          const stream = connection.request({
            ":method": "POST",
            ":path": PATH,
            "content-type": "application/json",
            [header]: [...lines],
          });
          stream.end(BODY);
          stream.resume();
          await new Promise((resolve) => stream.once("close", resolve));
          connection.destroy();
        }
        await until(() => loggedPeers(world).length === 3, "three calls to be logged");
        expect(loggedPeers(world)).toEqual(["198.51.100.7", "198.51.100.7", "198.51.100.7"]);
      }));
  }

  test("a proxy header other than the configured one is ignored", () =>
    withWorld({ ...PROXIED, trusted_proxies_header: "forwarded" }, async (world) => {
      await caller(world)({}, "1.1.1.1");
      await until(() => loggedPeers(world).length === 1, "the call to be logged");
      expect(loggedPeers(world)).toEqual(["127.0.0.1"]);
    }));
});

describe("more keys than the tables hold", () => {
  const SEND = "/api/v1/public/auth/send-email-code";
  const post = async (world: World, email: string, from: string) => {
    const headers = { "content-type": "application/json", "x-forwarded-for": from };
    const response = await fetch(`${world.gateway.edgeUrl}${SEND}`, {
      method: "POST",
      headers,
      body: JSON.stringify({ email }),
    });
    await response.body?.cancel();
    return response.status;
  };

  test("reservations: none is forgotten early, and requests without room are refused", () =>
    withWorld({ "replay.entries_max": 50 }, async (world) => {
      const [device, call] = [await world.login(), caller(world)];
      const requests = await Promise.all(Array.from({ length: 80 }, () => sign(device)));
      const first: string[] = [];
      for (const request of requests) first.push(await call(request));
      expect([count(first, "ok"), count(first, "REPLAY_STORE_UNAVAILABLE")]).toEqual([50, 30]);
      const second: string[] = [];
      for (const request of requests) second.push(await call(request));
      expect([count(second, "REQUEST_REPLAYED"), count(second, "ok")]).toEqual([50, 0]);
      expect(await metric(world.gateway, "sallyport_replay_entries")).toBe(50);
    }));

  test("buckets of unknown clients: no bucket is refilled by eviction, the table stays within its size, and sessions are served", () =>
    withWorld(
      { ...PROXIED, "buckets.entries_max": 100, "budgets.send_code.rate": 0.001, "budgets.send_code.burst": 1 },
      async (world) => {
        const [device, call] = [await world.login(), caller(world)];
        expect(await call(await sign(device), "192.0.2.1")).toBe("ok");
        expect(await post(world, "victim@example.com", "192.0.2.2")).toBe(200);
        const statuses: number[] = [];
        for (let n = 0; n < 300; n++) {
          statuses.push(await post(world, `other-${n}@example.com`, `2001:db8:${n.toString(16)}::1`));
          if (n % 20 > 0) continue;
          expect(await post(world, "victim@example.com", `2001:db8:f${n.toString(16)}::1`)).toBe(429);
          expect(await call(await sign(device), "192.0.2.1")).toBe("ok");
        }
        // As soon as the table is full, unknown clients are refused.
        expect(statuses.filter((status) => status === 200).length).toBeLessThan(100);
        expect(statuses.at(-1)).toBe(429);
        expect(await metric(world.gateway, "sallyport_bucket_entries", '{of="unverified"}')).toBeLessThanOrEqual(100);
      },
    ));
});
