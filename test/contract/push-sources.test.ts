import { describe } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PushDelivery } from "../../src/backend/feed/push-delivery.ts";
import { PushFeed } from "../../src/backend/feed/push-feed.ts";
import { PushState } from "../../src/backend/feed/push-state.ts";
import { openPushLink } from "../../src/backend/feed/push-transport.ts";
import { FileEventLog } from "../../src/backend/publish/file-event-log.ts";
import { HttpSource } from "../../src/backend/publish/http-source.ts";
import { StreamPublisher } from "../../src/backend/redis/stream-publisher.ts";
import { StreamSource } from "../../src/backend/redis/stream-source.ts";
import { systemClock } from "../../src/core/clock.ts";
import { tryLockFile } from "../../src/transport/linux/file-lock.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { clientEvent, PushServer, sessionInvalidation } from "../unit/backend/support/push-server.ts";
import { RecordingMetrics, RecordingSink } from "../unit/backend/support/recorders.ts";
import { type PushSourceRig, pushSourceContract } from "./push-source.contract.ts";

const QUICK = { backoffMinMs: 5, backoffMaxMs: 20, random: Math.random };
const createSink = () => new RecordingSink();

function parts(sink: RecordingSink, onChange: (isUp: boolean) => void) {
  const telemetry = { log: SILENT_LOG, metrics: new RecordingMetrics() };
  return {
    ...telemetry,
    delivery: new PushDelivery({ sink, ...telemetry }),
    state: new PushState({ from: {}, ...telemetry, onChange }),
  };
}

/** A gRPC stream of a backend whose connections a test cuts. */
async function feedRig(): Promise<PushSourceRig> {
  const server = await new PushServer().start();
  return {
    open: (sink, onStateChange) =>
      new PushFeed({
        ...{ link: openPushLink({ url: server.url, protocol: "grpc" }), gatewayId: "g", sink, onStateChange, ...QUICK },
        ...{ clock: systemClock, log: SILENT_LOG, metrics: new RecordingMetrics() },
      }),
    publish: async (event) => server.push(clientEvent(event)),
    revoke: async ({ userId = "", deviceSessionId = "" }) => server.push(sessionInvalidation({ userId, deviceSessionId })),
    publishInvalid: async (userId) => server.push(clientEvent({ userId, eventType: "bad" })),
    cut: () => server.kill(),
    restore: async () => void (await server.start()),
    async loseLog() {
      server.log.length = 0;
    },
    close: () => server.kill(),
  };
}

/** The source of the private listener, with a log file. It has no connection, and refuses invalid messages before. */
async function httpRig(): Promise<PushSourceRig> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-source-"));
  let current: HttpSource | undefined;
  let runs = 0;
  const required = () => {
    if (current === undefined) throw new Error("no source is open");
    return current;
  };
  return {
    open(sink, onStateChange) {
      const clock = systemClock;
      const log = new FileEventLog({
        ...{ path: join(folder, "log"), bytesMax: 1024 * 1024, sync: "always", ageMs: 60_000 },
        ...{ tryLock: tryLockFile, clock, log: SILENT_LOG },
      });
      const runId = `run-${++runs}`;
      current = new HttpSource({ ...parts(sink, onStateChange), clock, runId, log, beginFill() {} });
      return current;
    },
    publish: async (event) => void (await required().publish([event])),
    revoke: (revocation) => required().revoke([revocation]),
    publishInvalid: undefined,
    cut: undefined,
    restore: async () => {},
    loseLog: async () => {},
    close: async () => rmSync(folder, { recursive: true }),
  };
}

/** A Redis Stream in a real Redis that is killed. With `loseLog`, it starts empty. */
async function redisRig(): Promise<PushSourceRig> {
  const redis = await TestRedis.start({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  const connection = { url: redis.url, timeoutMs: 500, keySetting: "the key" };
  const publisher = new StreamPublisher({ redis: connection, stream: "s", entriesMax: 1000 });
  const again = async <T>(act: () => Promise<T>): Promise<T> => {
    for (;;) {
      const result = await act().catch(() => undefined);
      if (result !== undefined) return result;
    }
  };
  return {
    open: (sink, onStateChange) =>
      new StreamSource({
        ...parts(sink, onStateChange),
        ...{ redis: connection, stream: "s", ageMs: 60_000, beginFill() {}, uniqueText: () => crypto.randomUUID(), ...QUICK },
      }),
    publish: async (event) => void (await again(() => publisher.publish([event]))),
    revoke: (revocation) => publisher.revoke([revocation]),
    publishInvalid: async (userId) =>
      void (await redis.ask("XADD", "s", "*", "event", JSON.stringify({ user_id: userId, event_type: "bad" }))),
    cut: () => redis.kill(),
    restore: () => redis.start(),
    async loseLog() {
      await redis.start();
      await redis.ask("FLUSHALL");
      await redis.kill();
    },
    async close() {
      await publisher.close();
      await redis.close();
    },
  };
}

pushSourceContract("feed", feedRig, createSink);
pushSourceContract("http", httpRig, createSink);
describe.skipIf(NO_REDIS !== undefined)(`with Redis${NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`}`, () => {
  pushSourceContract("redis", redisRig, createSink);
});
