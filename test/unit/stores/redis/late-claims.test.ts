import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RedisAnswerStore } from "../../../../src/stores/redis/answers.ts";
import { RedisLink } from "../../../../src/stores/redis/link.ts";
import { StoreEpoch } from "../../../../src/stores/redis/store-epoch.ts";
import { NO_REDIS, TestRedis } from "../../../support/redis.ts";
import { RunningClock } from "../../../support/running-clock.ts";
import { SILENT_LOG } from "../../../support/silent-log.ts";

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a claim whose reply comes late", () => {
  let redis: TestRedis;
  let link: RedisLink;
  beforeAll(async () => {
    redis = await TestRedis.start();
    link = new RedisLink({
      url: redis.url,
      timeoutMs: 5000,
      keySetting: "the prefix",
      log: SILENT_LOG,
      random: () => 0.5,
      prepare: async () => {},
    });
    await link.open();
  });
  afterAll(async () => {
    link.close();
    await redis.close();
  });

  test("is given back, because its lease could end during the call", async () => {
    const clock = new RunningClock();
    const epoch = new StoreEpoch({ prefix: "late:", durable: true, reservedForMs: 65_000, marginMs: 5000 });
    await epoch.join(link.call, "this-server");
    const bounds = { entriesMax: 100, bytesMax: 1_000_000 };
    const store = new RedisAnswerStore(link, epoch, clock, { ...bounds, prefix: "late:", origin: "one", random: () => 0.5 });
    const request = { deviceSessionId: "s", idempotencyKey: "key-12345678", fingerprint: "f", asOfMs: Date.now() };
    const claim = async () => store.claim(request, 10_000, new AbortController().signal);
    const late = claim();
    clock.advance(3000);
    await expect(late).rejects.toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    expect((await claim()).kind).toBe("first");
    store.close();
  });
});
