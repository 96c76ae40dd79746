import { expect, test } from "bun:test";
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
const PROFILE = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" };
const seed = (n: number) => Buffer.alloc(32, n).toString("base64");

type Change = Readonly<Partial<Record<ConfigKey, string>>>;

/** The settings that each valid reload changes; `n` differs at each reload. */
const CHANGES: readonly ((n: number) => Change)[] = [
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
  (n) => ({ public_routes: JSON.stringify([{ method: "GET", path: `/v1/n${n}`, class: "public_misc" }]) }),
  (n) => ({ "limits.payload_bytes_max": String(100_000 + n), "streams.total_max": String(50_000 + n) }),
  (n) => ({ "backend.timeout_ms": String(20_000 + n), "backend.requests_max": String(100 + n), "backend.token": `t0ken${n}` }),
  (n) => ({ "log.level": n % 2 === 0 ? "info" : "debug", "shutdown.spread_ms": String(100 + n) }),
];

/** Settings that are refused, each with a part of the reason. */
const BROKEN: readonly (readonly [Change, RegExp])[] = [
  [{ "backend.timout_ms": "5" } as Change, /did you mean/],
  [{ routes: JSON.stringify([PROFILE, PROFILE]) }, /user\.profile\.get/],
  [{ routes: JSON.stringify([{ ...PROFILE, path: "/api/v1/user/{" }]) }, /routes/],
  [{ routes: JSON.stringify([{ ...PROFILE, schema: "missing.json" }]) }, /missing\.json/],
  [{ "keys.current": Buffer.alloc(31).toString("base64") }, /keys\.current/],
  [{ "keys.next_file": "missing.key" }, /keys\.next_file/],
  [{ "tls.certificate_file": "missing.pem" }, /tls\.certificate_file/],
  [{ "backend.ca_file": "missing.pem" }, /backend\.ca_file/],
  [{ "limits.payload_bytes_max": "-1" }, /limits\.payload_bytes_max/],
  [{ "cors.origins": '["https://app.example/path"]' }, /cors\.origins/],
];

test.each([
  { workers: "1", grpc: "own-port" },
  { workers: "2", grpc: "own-port" },
  { workers: "2", grpc: "same-port" },
] as const)(
  `$workers process(es), $grpc: ${RELOADS} reloads disturb no call and no stream, and rotate the signing key`,
  async ({ workers, grpc }) => {
    const tls = await certificateOf();
    const gateway = await UpgradableGateway.start(
      {
        "workers.count": workers,
        "edge.grpc": grpc,
        ...tls.settings,
        routes: JSON.stringify([PROFILE]),
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
      const loads = clients.map(
        (client) => new CommandLoad(async () => (await client.execute("user.profile.get", {})).resultCode),
      );

      let generation = 1;
      for (let n = 0; n < RELOADS; n++) {
        for (const device of devices) await gateway.push(device, n);
        if (n % 3 === 2) {
          const [broken, reason] = BROKEN[Math.floor(n / 3) % BROKEN.length] ?? expect.unreachable();
          // The valid changes beside the broken one are not applied either.
          const before = gateway.settings;
          await gateway.configure({
            ...CHANGES[n % CHANGES.length]?.(n),
            "budgets.ip.rate": "0.001",
            "budgets.ip.burst": "1",
            ...broken,
          });
          const refused = await answer();
          expect([refused.status, refused.text]).toEqual([409, expect.stringMatching(reason)]);
          await gateway.replaceSettings(before);
          continue;
        }
        const good = { ...CHANGES[n % CHANGES.length]?.(n) };
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
      for (const subscription of subscriptions) subscription.close();
    } finally {
      await gateway.close();
    }
  },
  Math.max(90_000, RELOADS * 3000),
);
