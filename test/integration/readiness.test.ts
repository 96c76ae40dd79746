import { expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { until } from "../support/until.ts";
import { openWorld } from "../support/world.ts";

const readyz = async (admin: string) => {
  const response = await fetch(`${admin}/readyz`);
  return { status: response.status, body: await response.json() };
};

const ready = (worker: number) => ({ worker, status: "ready" });

test.each([
  [1, undefined],
  [2, [ready(0), ready(1)]],
])("a gateway with %i workers whose backend has never answered is alive and not ready", async (count, workers) => {
  const server = runCommand(["serve"], {
    SALLYPORT_WORKERS_COUNT: String(count),
    SALLYPORT_EDGE_LISTEN: "127.0.0.1:0",
    SALLYPORT_GRPC_LISTEN: "127.0.0.1:0",
    SALLYPORT_ADMIN_LISTEN: "127.0.0.1:0",
    SALLYPORT_BACKEND_URL: "http://127.0.0.1:9",
    SALLYPORT_PUSH_URL: "http://127.0.0.1:9",
    SALLYPORT_KEYS_CURRENT: Buffer.from(new Uint8Array(32).fill(1)).toString("base64"),
  });
  await until(() => server.stdout().includes("gateway started"), "the gateway to be up");
  const line =
    server
      .stdout()
      .split("\n")
      .find((each) => each.includes("gateway started")) ?? "";
  const { admin }: { admin: string } = JSON.parse(line);
  expect((await fetch(`${admin}/healthz`)).status).toBe(200);
  expect(await readyz(admin)).toEqual({
    status: 503,
    body: { status: "not ready", reasons: ["the push feed has not come up yet"], ...(workers && { workers }) },
  });
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

test("a gateway is ready until its push feed is down for longer than push.grace_ms", async () => {
  const world = await openWorld({ "push.grace_ms": 300 });
  const { adminUrl } = world.gateway;
  expect(await readyz(adminUrl)).toEqual({ status: 200, body: { status: "ready" } });
  await world.backend.stopPush();
  await until(async () => (await readyz(adminUrl)).status === 503, "the grace period to pass");
  expect((await readyz(adminUrl)).body).toEqual({ status: "not ready", reasons: ["the push feed is down"] });
  await world.backend.startPush();
  await until(async () => (await readyz(adminUrl)).status === 200, "the feed to be back");
  await world.close();
});
