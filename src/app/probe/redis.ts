import { messageOf } from "../../core/cause.ts";
import { addressOf } from "../../stores/redis/call.ts";
import { checkRedis } from "../../stores/redis/check.ts";
import { redisTlsFiles } from "../options.ts";
import { clockFinding } from "./clock.ts";
import { error, type Finding, ok, type Probe } from "./finding.ts";

/** Probes Redis if a setting uses it: log-in, version, eviction policy, role and clock. */
export const probeRedis: Probe = async (config, { clock }) => {
  const uses = new Map<string, string>();
  const stores = config["stores.redis.url"];
  if (config["stores.kind"] === "redis" && stores !== undefined) uses.set(stores, "stores.redis.url");
  const push = config["push.redis.url"] ?? stores;
  if (config["push.source"] === "redis" && push !== undefined && !uses.has(push)) uses.set(push, "push.redis.url");
  const findings = await Promise.all(
    [...uses].map(async ([url, setting]): Promise<readonly Finding[]> => {
      try {
        const options = { url, timeoutMs: config["stores.redis.timeout_ms"], tlsFiles: redisTlsFiles(config) };
        const { server, timeMs } = await checkRedis(options);
        return [ok(setting, `${server} at ${addressOf(url)}`), clockFinding("Redis", timeMs, config, clock)];
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
