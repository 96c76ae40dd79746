import { RedisUnavailable } from "../../stores/redis/redis-call.ts";

/**
 * If a Redis command failed because `key` is not a stream, returns an error that names the key. Returns every other error
 * unchanged.
 */
export function explainWrongType(error: unknown, key: string): unknown {
  if (!(error instanceof RedisUnavailable) || !/\bWRONGTYPE\b/.test(error.message)) return error;
  const advice = "delete the key, or set push.redis.stream to another one";
  return new RedisUnavailable(`the key ${key} is not a stream (WRONGTYPE); ${advice}`, { cause: error });
}
