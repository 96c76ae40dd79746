import { checkStream } from "../../backend/redis/stream-check.ts";
import type { GatewayConfig } from "../../config/rules.ts";
import { messageOf } from "../../core/cause.ts";
import { checkRedis } from "../../stores/redis/check.ts";
import type { ConnectionOptions } from "../../stores/redis/connection.ts";
import { addressOf } from "../../stores/redis/redis-call.ts";
import { redisTlsFiles } from "../options.ts";
import { clockFinding } from "./clock-finding.ts";
import { error, type Finding, ok, type Probe } from "./finding.ts";

/**
 * Probes each Redis server that the configuration uses: its log-in, version, eviction policy, role and clock. If the server has the
 * Redis Stream of the push feed, probes the stream too.
 */
export const probeRedis: Probe = async (config, { clock }) => {
  const redis = {
    timeoutMs: config["stores.redis.timeout_ms"],
    tlsFiles: redisTlsFiles(config),
    keySetting: "stores.redis.prefix",
  };
  const uses = new Map<string, string>();
  const stores = config["stores.redis.url"];
  if (config["stores.kind"] === "redis" && stores !== undefined) uses.set(stores, "stores.redis.url");
  const push = config["push.redis.url"] ?? stores;
  if (config["push.source"] === "redis" && push !== undefined && !uses.has(push)) uses.set(push, "push.redis.url");
  const findings = await Promise.all(
    [...uses].map(async ([url, setting]): Promise<readonly Finding[]> => {
      try {
        const { server, timeMs } = await checkRedis({ ...redis, url });
        const stream = config["push.source"] === "redis" && url === push ? [await probeStream(config, { ...redis, url })] : [];
        return [ok(setting, `${server} at ${addressOf(url)}`), clockFinding("Redis", timeMs, config, clock), ...stream];
      } catch (thrown) {
        const message = messageOf(thrown);
        const isNamed = message.startsWith("the Redis at");
        const named = isNamed ? message : `the Redis at ${addressOf(url)} cannot be used: ${message}`;
        return [error(setting, /[;?]/.test(message) ? named : `${named}; correct ${setting}, or the server`)];
      }
    }),
  );
  return findings.flat();
};

async function probeStream(config: GatewayConfig, redis: ConnectionOptions): Promise<Finding> {
  const setting = "push.redis.stream";
  const key = config[setting];
  try {
    await checkStream({ ...redis, keySetting: setting }, key);
    return ok(setting, `the key ${key} can be read; it is a stream, or does not exist yet`);
  } catch (thrown) {
    const message = messageOf(thrown);
    // If the user lacks a right, Redis answers NOPERM. For a command inside a script, it answers "can't run" or "can't access".
    const isRefused = /\bNOPERM\b|\bcan't (?:run|access)\b/.test(message);
    const advice = isRefused ? "correct the rights of the user" : "correct push.redis.stream, or the server";
    return error(setting, message.includes(";") ? message : `the key ${key} cannot be read: ${message}; ${advice}`);
  }
}
