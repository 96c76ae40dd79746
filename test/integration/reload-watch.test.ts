import { expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { metric } from "../support/world.ts";

const WAIT_MS_MAX = 20_000;

test.each(["1", "2"])(
  "with reload.watch_ms and %s workers, a changed file is reloaded, and a broken one refused once",
  async (workers) => {
    const gateway = await UpgradableGateway.start({ "workers.count": workers, "reload.watch_ms": "20" });
    try {
      const watch = { "workers.count": workers, "reload.watch_ms": "20" };
      const reloads = () => gateway.lines("configuration reloaded").length;
      await gateway.configure({ ...watch, "backend.timeout_ms": "1234" });
      await until(() => reloads() === 1, "the reload of the change", WAIT_MS_MAX);
      expect(gateway.lines("configuration reloaded")).toMatchObject([{ changed: "backend.timeout_ms" }]);

      await gateway.configure({ ...watch, "backend.timeout_ms": "never" });
      await until(() => gateway.lines("configuration reload refused").length === 1, "the refusal", WAIT_MS_MAX);
      await Bun.write(join(gateway.folder, "rooms.json"), JSON.stringify({ type: "object" }));
      const rooms = { message_type: "rooms.create", post: "/api/v1/user/rooms", body: "*", schema: "rooms.json" };
      await gateway.configure({ ...watch, "backend.timeout_ms": "1234", routes: JSON.stringify([rooms]) });
      await until(() => reloads() === 2, "the reload of the repaired file", WAIT_MS_MAX);

      await Bun.write(join(gateway.folder, "rooms.json"), JSON.stringify({ type: "object", required: ["name"] }));
      await until(() => reloads() === 3, "the reload of the schema", WAIT_MS_MAX);
      expect(await metric(gateway, "sallyport_config_reloads_total", '{outcome="refused"}')).toBe(1);
    } finally {
      await gateway.close();
    }
  },
  90_000,
);
