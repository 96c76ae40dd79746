import { expect, test } from "bun:test";
import { SallyportClient } from "../../src/client/client.ts";
import { type GatewayKeySource, GatewayKeys } from "../../src/client/gateway-keys.ts";
import { KeyRing } from "../../src/crypto/key-ring.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { CommandLoad } from "../support/upgrade-load.ts";
import { metric } from "../support/world.ts";

/** The rotation at `keys.rotate_at`, with processes as in production and a client that verifies everything. */

const OLD = Buffer.alloc(32, 1);
const NEW = Buffer.alloc(32, 2);
const UNTIL_ROTATION_MS = 2500;

test.each(["1", "2"])(
  "%s process(es): the next key signs from keys.rotate_at on, and no call fails and no stream ends",
  async (workers) => {
    const gateway = await UpgradableGateway.start({
      "workers.count": workers,
      "keys.current": OLD.toString("base64"),
      "keys.next": NEW.toString("base64"),
    });
    try {
      const before = new KeyRing({ current: OLD }).keyId;
      const after = new KeyRing({ current: NEW }).keyId;
      const published = new GatewayKeys(gateway.edgeUrl);
      const used: { readonly keyId: string; readonly atMs: number }[] = [];
      const keys: GatewayKeySource = {
        verify(keyId, message, signature) {
          used.push({ keyId, atMs: Date.now() });
          return published.verify(keyId, message, signature);
        },
      };
      const device = await gateway.login();
      const client = new SallyportClient({ baseUrl: gateway.edgeUrl, credentials: device, keys });
      const states: string[] = [];
      const received: number[] = [];
      const subscription = client.subscribe();
      subscription.onState((state) => void states.push(state));
      const reading = (async () => {
        for await (const event of subscription) received.push(Number(Object(event.payload).n));
      })();
      await until(() => states.includes("live"), "the stream");
      await gateway.push(device, 0);
      await until(() => received.length === 1, "the event before the rotation");
      const rotateAtMs = Date.now() + UNTIL_ROTATION_MS;
      await gateway.configure({ "keys.rotate_at": new Date(rotateAtMs).toISOString() });
      const reload = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
      expect((await fetch(`${gateway.adminUrl}/reload`, reload)).status).toBe(200);
      const load = new CommandLoad(async () => (await client.execute("user.profile.get", {})).resultCode);
      const lastAnswers = () => used.slice(-20).map(({ keyId }) => keyId);
      await until(() => lastAnswers().every((keyId) => keyId === after), "the rotation", UNTIL_ROTATION_MS + 10_000);
      await until(() => gateway.lines("signing key changed").length > 0, "the log line");
      const rotatedAt = used.length;
      await gateway.push(device, 1);
      await until(() => received.length === 2, "the event after the rotation");
      await load.stop();

      expect(received).toEqual([0, 1]);
      expect(Object.keys(load.outcomes)).toEqual(["ok"]);
      const keyIds = (some: typeof used) => new Set(some.map(({ keyId }) => keyId));
      expect(keyIds(used.filter(({ atMs }) => atMs < rotateAtMs))).toEqual(new Set([before]));
      expect(keyIds(used.slice(rotatedAt))).toEqual(new Set([after]));
      expect(states.filter((state) => state === "live").length).toBe(1);
      expect(await metric(gateway, "sallyport_streams_ended_total")).toBe(0);
      expect(gateway.lines("signing key changed").map((line) => line["key_id"])).toEqual([after]);
      subscription.close();
      await reading;
    } finally {
      await gateway.close();
    }
  },
  60_000,
);
