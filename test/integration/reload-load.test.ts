import { expect, test } from "bun:test";
import { join } from "node:path";
import { SallyportClient } from "../../src/client/client.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import type { ConfigKey } from "../../src/config/schema.ts";
import { certificateOf, fetchTrusting } from "../support/reload-certificates.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { CommandLoad } from "../support/upgrade-load.ts";
import { metric } from "../support/world.ts";

/**
 * Reloads under load: a third of the configurations are broken, and the signing key rotates. `SALLYPORT_RELOADS=200` is the full
 * number of reloads.
 */

const RELOADS = Number(process.env["SALLYPORT_RELOADS"] ?? 18);
const PROFILE = {
  message_type: "user.profile.get",
  method: "GET",
  path: "/api/v1/user/profile",
  schema: "profile.json",
};
/** The public route that the load calls. */
const STATUS = { method: "GET", path: "/v1/status", class: "public_misc" };
const seed = (n: number) => Buffer.alloc(32, n).toString("base64");

type Change = Readonly<Partial<Record<ConfigKey, string>>>;

/** The settings that each valid reload changes; `n` differs at each reload. */
const CHANGES: readonly ((n: number, gateway: UpgradableGateway) => Change | Promise<Change>)[] = [
  (n) => ({
    routes: JSON.stringify([
      { ...PROFILE, timeout_ms: 20_000 + n },
      { ...PROFILE, message_type: `extra.n${n}` },
    ]),
  }),
  (n) => ({ "budgets.ip.rate": String(100_000 + n), "budgets.user.shadow": n % 2 === 0 ? "true" : "false" }),
  (n) => ({
    "cors.origins": JSON.stringify([`https://app${n}.example`]),
    trusted_proxies: JSON.stringify([`192.0.2.${n % 250}`]),
  }),
  (n) => ({
    public_routes: JSON.stringify([
      { ...STATUS, timeout_ms: 20_000 + n },
      { ...STATUS, path: `/v1/n${n}` },
    ]),
  }),
  (n, gateway) => ({ upstreams: upstreamsOf(gateway, n) }),
  async (n, gateway) => {
    await writeSchema(gateway, "profile.json", { maxProperties: n });
    return {};
  },
  (n) => ({ "limits.payload_bytes_max": String(100_000 + n), "streams.total_max": String(50_000 + n) }),
  (n) => ({ "backend.timeout_ms": String(20_000 + n), "backend.requests_max": String(100 + n), "backend.token": `t0ken${n}` }),
  (n) => ({ "log.level": n % 2 === 0 ? "info" : "debug", "shutdown.spread_ms": String(100 + n) }),
];

/** Two upstreams with the same address: the first has another weight at each reload, the second another name. */
function upstreamsOf({ faults }: UpgradableGateway, n: number): string {
  return JSON.stringify([
    { name: "first", url: faults.url, weight: 1 + (n % 5) },
    { name: `second${n}`, url: faults.url },
  ]);
}

function writeSchema({ folder }: UpgradableGateway, name: string, schema: unknown): Promise<number> {
  return Bun.write(join(folder, name), JSON.stringify(schema));
}

/** Changes the gateway to `upstreams`, to a route with a schema, and to the public route of the load. */
async function configureAll(gateway: UpgradableGateway): Promise<void> {
  gateway.faults.on(STATUS.path, () => Response.json({ status: "ok" }));
  await writeSchema(gateway, "profile.json", true);
  await writeSchema(gateway, "broken.json", { type: "text" });
  const { "backend.url": _, ...settings } = gateway.settings;
  const tables = { routes: JSON.stringify([PROFILE]), public_routes: JSON.stringify([STATUS]) };
  await gateway.replaceSettings({ ...settings, ...tables, upstreams: upstreamsOf(gateway, 0) });
}

/** Settings that are refused, each with a part of the reason. */
const BROKEN: readonly (readonly [Change, RegExp])[] = [
  [{ "backend.timout_ms": "5" } as Change, /did you mean/],
  [{ routes: JSON.stringify([PROFILE, PROFILE]) }, /user\.profile\.get/],
  [{ routes: JSON.stringify([{ ...PROFILE, path: "/api/v1/user/{" }]) }, /routes/],
  [{ routes: JSON.stringify([{ ...PROFILE, schema: "missing.json" }]) }, /missing\.json/],
  [{ routes: JSON.stringify([{ ...PROFILE, schema: "broken.json" }]) }, /broken\.json: not a schema/],
  [{ upstreams: JSON.stringify([{ name: "first", url: "ftp://127.0.0.1" }]) }, /upstreams/],
  [{ "keys.current": Buffer.alloc(31).toString("base64") }, /keys\.current/],
  [{ "keys.next_file": "missing.key" }, /keys\.next_file/],
  [{ "tls.certificate_file": "missing.pem" }, /tls\.certificate_file/],
  [{ "backend.ca_file": "missing.pem" }, /backend\.ca_file/],
  [{ "limits.payload_bytes_max": "-1" }, /limits\.payload_bytes_max/],
  [{ "cors.origins": '["https://app.example/path"]' }, /cors\.origins/],
];

test.each([
  { workers: "1", grpc: "own-port", firstBroken: 0 },
  { workers: "2", grpc: "own-port", firstBroken: 4 },
  { workers: "2", grpc: "same-port", firstBroken: 8 },
] as const)(
  `$workers process(es), $grpc: ${RELOADS} reloads disturb no call and no stream, and rotate the signing key`,
  async ({ workers, grpc, firstBroken }) => {
    const tls = await certificateOf();
    const gateway = await UpgradableGateway.start(
      {
        "workers.count": workers,
        "edge.grpc": grpc,
        ...tls.settings,
        "keys.current": seed(1),
        "keys.next": seed(2),
      },
      { tls: { ca: tls.ca } },
    );
    const fetchEdge = fetchTrusting(tls.ca);
    const answer = async () => {
      const response = await fetch(`${gateway.adminUrl}/reload`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      return { status: response.status, text: await response.text() };
    };
    try {
      const devices = await Promise.all([gateway.login(), gateway.login()]);
      const clients = devices.map(
        (credentials) =>
          new SallyportClient({
            baseUrl: gateway.edgeUrl,
            credentials,
            fetch: fetchEdge,
            keys: new GatewayKeys(gateway.edgeUrl, { fetch: fetchEdge }),
          }),
      );
      const states: string[] = [];
      const received: number[][] = [[], []];
      const subscriptions = clients.map((client, at) => {
        const subscription = client.subscribe();
        subscription.onState((state) => void states.push(state));
        void (async () => {
          for await (const event of subscription) received[at]?.push(Number(Object(event.payload).n));
        })();
        return subscription;
      });
      await until(() => states.filter((state) => state === "live").length === 2, "both streams", 20_000);
      await configureAll(gateway);
      expect((await answer()).status).toBe(200);
      const loads = [
        ...clients.map((client) => new CommandLoad(async () => (await client.execute("user.profile.get", {})).resultCode)),
        new CommandLoad(async () => ((await fetchEdge(`${gateway.edgeUrl}${STATUS.path}`)).ok ? "ok" : "failed")),
      ];

      let generation = 2;
      let valid = 0;
      for (let n = 0; n < RELOADS; n++) {
        for (const device of devices) await gateway.push(device, n);
        if (n % 3 === 2) {
          const [broken, reason] = BROKEN[(firstBroken + Math.floor(n / 3)) % BROKEN.length] ?? expect.unreachable();
          // The valid changes beside the broken one are not applied either.
          const before = gateway.settings;
          await gateway.configure({
            ...(await CHANGES[valid % CHANGES.length]?.(n, gateway)),
            "budgets.ip.rate": "0.001",
            "budgets.ip.burst": "1",
            ...broken,
          });
          const refused = await answer();
          expect([refused.status, refused.text]).toEqual([409, expect.stringMatching(reason)]);
          await gateway.replaceSettings(before);
          continue;
        }
        const good = { ...(await CHANGES[valid++ % CHANGES.length]?.(n, gateway)) };
        await gateway.configure(good);
        if (n === 6) await gateway.configure({ "keys.current": seed(2), "keys.next": seed(3), "keys.previous": seed(1) });
        if (n % 6 === 4) await tls.renew();
        const applied = await answer();
        expect([applied.status, applied.text]).toEqual([200, expect.stringContaining(`"generation":${++generation}`)]);
      }
      await until(() => received.every((numbers) => numbers.length === RELOADS), "all events", 20_000);
      await Promise.all(loads.map((load) => load.stop()));
      for (const load of loads) {
        expect(Object.keys(load.outcomes)).toEqual(["ok"]);
        expect(load.calls).toBeGreaterThan(0);
      }
      for (const numbers of received) expect(numbers).toEqual(Array.from({ length: RELOADS }, (_, n) => n));
      // No stream ended, so no client resumed.
      expect(states.filter((state) => state === "live").length).toBe(2);
      expect(await metric(gateway, "sallyport_streams_ended_total")).toBe(0);
      expect(await metric(gateway, "sallyport_config_generation")).toBe(generation);
      expect(gateway.lines("signing key changed").length).toBe(1);
      const rows = gateway
        .lines("configuration reloaded")
        .map((line) => [line["routes"], line["public_routes"], line["upstreams"]]);
      expect(rows.join()).toContain("~user.profile.get(schema)");
      expect(rows.join()).toContain("~GET /v1/status(timeout_ms)");
      expect(rows.join()).toContain("~first(weight)");
      for (const subscription of subscriptions) subscription.close();
    } finally {
      await gateway.close();
    }
  },
  Math.max(90_000, RELOADS * 3000),
);
