import { expect, test } from "bun:test";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startSupervisor } from "../../src/app/supervisor.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startDevBackend } from "../../src/dev/backend.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { callPublish, PUSH_TOKEN } from "../support/publishing-world.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { login, metric, ROOMY } from "../support/world.ts";

const IS_LINUX = process.platform === "linux";
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const WORKER_COMMAND = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "worker"];
const SMALL = { "replay.entries_max": 10_000, "buckets.entries_max": 10_000, "session_cache.entries_max": 1000 };

test.skipIf(!IS_LINUX)(
  `the supervisor publishes to the streams of every worker, once and in order, and revokes there${IS_LINUX ? "" : " (skipped: workers need Linux)"}`,
  async () => {
    await using opened = new AsyncDisposableStack();
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    opened.defer(() => backend.stop());
    const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT, "push.listen": ANY_PORT };
    const push = { "push.source": "http", "push.token": PUSH_TOKEN, "keys.current": SEED } as const;
    const overrides = { ...ROOMY, ...SMALL, ...listen, ...push, "backend.url": backend.restUrl, "log.level": "error" as const };
    const config = loadConfig({ env: {}, overrides });
    const gateway = await startSupervisor({ config, log: SILENT_LOG, workers: 2, workerCommand: WORKER_COMMAND });
    opened.defer(async () => void (await gateway.stop()));
    const device = await login(gateway.edgeUrl, backend.restUrl, "ada@example.com");
    const streamsOf = (worker: number) => metric(gateway, "sallyport_worker_streams", `{worker="${worker}"}`);
    const streams: EventSubscriber[] = [];
    // The kernel chooses the worker of each connection.
    await until(async () => {
      const transport = createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "1.1" });
      streams.push(await EventSubscriber.open(transport, device));
      return (await streamsOf(0)) > 0 && (await streamsOf(1)) > 0;
    }, "streams at both workers");
    const events = Array.from({ length: 100 }, (_, n) => ({ user_id: device.userId, event_type: "a.b", event_id: `w-${n}` }));
    const publishUrl = gateway.publishUrl ?? "";
    for (const body of [{ events: events.slice(0, 60) }, { events }])
      expect((await callPublish(publishUrl, "/publish", body)).status).toBe(200);
    for (const { events: received } of streams) {
      await until(() => received.length > 100, "the events");
      expect(received.slice(1).map(({ envelope }) => envelope?.eventId)).toEqual(events.map(({ event_id }) => event_id));
    }
    expect((await callPublish(publishUrl, "/revoke", { user_id: device.userId })).status).toBe(200);
    await until(() => streams.every(({ ended }) => ended === "SESSION_REVOKED"), "all streams to end");
  },
  60_000,
);
