import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

const PROMTOOL = Bun.which("promtool");
const NO_PROMTOOL = PROMTOOL === null ? "skipped: promtool is not installed (apt-get install prometheus)" : undefined;

/** The findings of promtool for a scrape. Empty if there are none. */
async function lint(text: string): Promise<string> {
  const child = Bun.spawn([PROMTOOL ?? "", "check", "metrics"], { stdin: new Blob([text]), stdout: "pipe", stderr: "pipe" });
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  return (await child.exited) === 0 ? output : `exit ${child.exitCode}: ${output}`;
}

/** Makes calls of each kind, so that all metrics have labels. */
async function use(world: World): Promise<void> {
  const device = await world.login();
  for (const variant of VARIANTS) {
    const client = createClient(Gateway, world.transport(variant));
    await client.executeCommand(await device.signer.sign("user.profile.get", new Uint8Array(0)));
    await client.executeCommand({}).catch(() => {});
    const subscriber = await EventSubscriber.open(world.transport(variant), device);
    subscriber.leave();
  }
  await world.push({ user_id: device.userId, event_type: "chat.message", payload: {} });
  await world.revoke({ user_id: device.userId });
}

const scrape = (world: World) => fetch(`${world.gateway.adminUrl}/metrics`).then((answer) => answer.text());

describe.skipIf(NO_PROMTOOL !== undefined)(NO_PROMTOOL ?? "promtool check metrics, on a live scrape", () => {
  test("finds nothing in a single gateway, after the start and in use", async () => {
    const world = await openWorld();
    expect(await lint(await scrape(world))).toBe("");
    await use(world);
    expect(await lint(await scrape(world))).toBe("");
    await world.close();
  });

  test("finds a reserved label and a counter without its suffix", async () => {
    expect(await lint('# HELP a x\n# TYPE a gauge\na{quantile="1"} 1\n')).toContain("quantile");
    expect(await lint("# HELP a x\n# TYPE a counter\na 1\n")).toContain("_total");
  });

  describe.skipIf(NO_REDIS !== undefined)(NO_REDIS === undefined ? "on Redis" : `skipped: ${NO_REDIS}`, () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await TestRedis.start();
    });
    afterAll(() => redis.close());

    test("finds nothing", async () => {
      const world = await openWorld({ "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": true });
      await use(world);
      const text = await scrape(world);
      expect(text).toContain("\nsallyport_redis_up 1\n");
      expect(await lint(text)).toBe("");
      await world.close();
    });
  });
});
