import { describe, expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { metric } from "../support/world.ts";

/** `sallyport reload`, POST /reload and SIGHUP let the running gateway read its configuration again. */

const PROFILE = { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" } as const;
const JSON_TYPE = { "content-type": "application/json" };
const SECRET = "t0ken-that-is-not-shown";

function post(gateway: UpgradableGateway, headers: Record<string, string> = JSON_TYPE): Promise<Response> {
  return fetch(`${gateway.adminUrl}/reload`, { method: "POST", headers, body: "{}" });
}

async function command(gateway: UpgradableGateway) {
  const run = runCommand(["reload", "--url", gateway.adminUrl]);
  return { code: await run.exited, out: run.stdout(), err: run.stderr() };
}

describe.each([{ workers: "1" }, { workers: "2" }])("with workers.count = $workers", ({ workers }) => {
  test("the answer names keys, rows and fields, what waits for a restart, and no secret", async () => {
    const gateway = await UpgradableGateway.start({ "workers.count": workers, routes: JSON.stringify([PROFILE]) });
    try {
      const other = { ...PROFILE, message_type: "user.get", path: "/api/v1/user/other" };
      await gateway.configure({
        routes: JSON.stringify([{ ...PROFILE, timeout_ms: 700 }, other]),
        "backend.token": SECRET,
        "budgets.ip.rate": "123",
        "freshness.window_ms": "30000",
      });
      const answer = await post(gateway);
      expect([answer.status, await answer.json()]).toEqual([
        200,
        {
          status: "reloaded",
          generation: 2,
          changed: ["backend.token", "routes", "budgets.ip.rate"],
          rows: { routes: { added: ["user.get"], removed: [], changed: { "user.profile.get": ["timeout_ms"] } } },
          needs_restart: ["freshness.window_ms"],
        },
      ]);
      await until(() => gateway.lines("configuration change requires restart").length === 1, "the log lines");
      expect(gateway.lines("configuration reloaded")).toMatchObject([
        { generation: 2, changed: "backend.token routes budgets.ip.rate", routes: "+user.get ~user.profile.get(timeout_ms)" },
      ]);
      const device = await gateway.login();
      expect(device.userId).not.toBe("");
      expect(await metric(gateway, "sallyport_config_generation")).toBe(2);

      await gateway.configure({ routes: JSON.stringify([{ ...PROFILE, timeout_ms: 700 }]) });
      expect(await command(gateway)).toEqual({
        code: 0,
        out: "reloaded: generation 3\nchanged: routes\nroutes: -user.get\nwaits for a restart: freshness.window_ms\n",
        err: "",
      });
      await gateway.configure({ "backend.timeout_ms": "0" });
      const refused = await command(gateway);
      expect([refused.code, refused.out]).toEqual([1, ""]);
      expect(refused.err).toMatch(/^sallyport: reload refused\nsallyport: backend\.timeout_ms \(settings\.json:1\): got 0/);
      expect(await metric(gateway, "sallyport_config_generation")).toBe(3);

      await gateway.configure({ "backend.timeout_ms": "4000" });
      gateway.signal("SIGHUP");
      await until(() => gateway.lines("configuration reloaded").length === 3, "the reload by SIGHUP");
      expect(await metric(gateway, "sallyport_config_reloads_total", '{outcome="adopted"}')).toBe(3);
      expect(await metric(gateway, "sallyport_config_reloads_total", '{outcome="refused"}')).toBe(1);
      expect(gateway.lines("configuration reload refused").length).toBe(1);
      expect(JSON.stringify(gateway.lines("configuration reloaded")) + gateway.stderr()).not.toContain(SECRET);
    } finally {
      await gateway.close();
    }
  }, 60_000);
});

test("pages of other origins, forms and GET cannot reload", async () => {
  const gateway = await UpgradableGateway.start();
  try {
    expect((await post(gateway, { ...JSON_TYPE, origin: "https://evil.example" })).status).toBe(403);
    expect((await post(gateway, { ...JSON_TYPE, "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await post(gateway, { "content-type": "application/x-www-form-urlencoded" })).status).toBe(415);
    expect((await post(gateway, { "content-type": "text/plain" })).status).toBe(415);
    expect((await fetch(`${gateway.adminUrl}/reload`)).status).toBe(405);
    expect(await metric(gateway, "sallyport_config_generation")).toBe(1);
  } finally {
    await gateway.close();
  }
}, 60_000);

test("a reload while an upgrade runs is refused, and works when the upgrade has failed", async () => {
  const gateway = await UpgradableGateway.start({ "upgrade.timeout_ms": "6000" });
  try {
    // The push feed of the new process does not come up.
    const { "push.url": pushUrl } = { "push.url": gateway.backend.pushUrl };
    await gateway.configure({ "push.url": "http://127.0.0.1:9", "upgrade.timeout_ms": "6000", "budgets.ip.rate": "77" });
    const upgrade = gateway.upgrade();
    await until(() => gateway.lines("upgrade started").length === 1, "the start of the upgrade", 20_000);
    const answer = await post(gateway);
    expect([answer.status, await answer.json()]).toEqual([
      409,
      { status: "refused", reasons: ["an upgrade is already running"] },
    ]);
    expect((await upgrade).code).toBe(1);
    await gateway.configure({ "push.url": pushUrl });
    expect((await post(gateway)).status).toBe(200);
  } finally {
    await gateway.close();
  }
}, 60_000);

test("a reload while the gateway stops is refused", async () => {
  const gateway = await UpgradableGateway.start({ "shutdown.drain_ms": "5000" });
  try {
    gateway.signal("SIGTERM");
    await until(async () => (await fetch(`${gateway.adminUrl}/readyz`)).status === 503, "the stop");
    const answer = await post(gateway);
    expect([answer.status, await answer.json()]).toEqual([409, { status: "refused", reasons: ["the gateway stops"] }]);
  } finally {
    await gateway.close();
  }
}, 60_000);

test("a worker that starts after a reload has the new configuration", async () => {
  const gateway = await UpgradableGateway.start({ "workers.count": "2", routes: "[]" });
  try {
    await gateway.configure({ "cors.origins": JSON.stringify(["https://app.example"]) });
    expect((await post(gateway)).status).toBe(200);
    const children = (await Bun.file(`/proc/${gateway.pid}/task/${gateway.pid}/children`).text()).trim().split(" ");
    for (const pid of children) process.kill(Number(pid), "SIGKILL");
    await until(() => gateway.lines("worker restarted").length >= 2, "the new workers", 30_000);
    for (let n = 0; n < 12; n++) {
      const answer = await fetch(`${gateway.edgeUrl}/.well-known/jwks.json`, {
        headers: { origin: "https://app.example" },
        keepalive: false,
      });
      expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example");
    }
  } finally {
    await gateway.close();
  }
}, 60_000);
