import type { Clock } from "../../core/clock.ts";
import type { BucketStore, Log, ReplayStore } from "../../core/ports.ts";
import { StoreError } from "../../core/store-error.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { addressOf } from "./address.ts";
import { RedisBucketStore } from "./buckets.ts";
import type { RedisCall } from "./connection.ts";
import { Continuity } from "./continuity.ts";
import { RedisLink } from "./link.ts";
import { RedisReplayStore } from "./replay.ts";
import { checkServer } from "./server-info.ts";
import { type RedisTlsPaths, readRedisTls } from "./tls.ts";

/** The part of the configuration that these stores are made by. */
export interface RedisConfig extends RedisTlsPaths {
  readonly "buckets.entries_max": number;
  readonly "freshness.window_ms": number;
  readonly "freshness.margin_ms": number;
  readonly "stores.redis.url": string | undefined;
  readonly "stores.redis.prefix": string;
  readonly "stores.redis.timeout_ms": number;
  readonly "stores.redis.on_buckets_unavailable": "refuse" | "local";
  readonly "stores.redis.durable": boolean;
}

export interface RedisParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What several gateways share. */
export interface RedisStores {
  readonly replay: ReplayStore;
  readonly buckets: BucketStore;
  /** Whether Redis is in reach. */
  readonly isUp: () => boolean;
  /** What keeps requests from being let in, in words; empty where nothing does. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** Connects to Redis. Throws `StoreError` where that cannot be had, or is not a server that reservations are safe with. */
export async function openRedisStores(config: RedisConfig, { clock, log, random }: RedisParts): Promise<RedisStores> {
  const { "stores.redis.url": url = "", "stores.redis.prefix": prefix } = config;
  const { "freshness.window_ms": windowMs, "freshness.margin_ms": marginMs } = config;
  const address = addressOf(url);
  const continuity = new Continuity({
    ...{ prefix, durable: config["stores.redis.durable"] },
    ...{ reservedForMs: windowMs + marginMs, marginMs },
  });
  let wholeFromMs = Number.NEGATIVE_INFINITY;
  const greet = async (call: RedisCall) => {
    const server = checkServer(String(await call("INFO", [])), address);
    const fenceInMs = await continuity.enrol(call, server.runId);
    log.info("redis: connected", { address, server: server.name, version: server.version });
    // A request that is signed now is reserved for so long.
    const waitMs = fenceInMs - windowMs - marginMs;
    if (waitMs <= 0) return;
    wholeFromMs = clock.monotonic() + waitMs;
    log.warn("redis: the server may have forgotten requests; none is let in that may be one of them", {
      for_ms: waitMs,
    });
  };
  const timeoutMs = config["stores.redis.timeout_ms"];
  const link = new RedisLink({ url, timeoutMs, tls: () => readRedisTls(config), greet, log, random });
  await link.open().catch((error: unknown) => {
    throw error instanceof StoreError
      ? error
      : new StoreError(`the Redis at ${address} cannot be used: ${messageOf(error)}`, { cause: error });
  });
  const near = new MemoryBucketStore({ entriesMax: config["buckets.entries_max"] });
  const onUnavailable = config["stores.redis.on_buckets_unavailable"];
  return {
    replay: new RedisReplayStore(link, continuity, clock, { prefix, marginMs }),
    buckets: new RedisBucketStore(link, near, { prefix, onUnavailable }),
    isUp: () => link.away === undefined,
    notReady: () => [
      ...(link.away === undefined ? [] : [`Redis is out of reach: ${link.away}`]),
      ...(clock.monotonic() < wholeFromMs ? ["Redis may have forgotten requests that could still be repeated"] : []),
    ],
    close: () => link.close(),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
