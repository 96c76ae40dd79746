import { type ConnectionOptions, RedisConnection } from "../../stores/redis/connection.ts";
import { StreamReader } from "./stream-reader.ts";

/**
 * Reads the state of a Redis Stream in the same way as the gateway does when it starts. Writes nothing. A missing stream is no
 * error. Rejects with `RedisUnavailable` if the key is not a stream, or if the Redis user may not read the key.
 */
export async function checkStream(redis: ConnectionOptions, stream: string): Promise<void> {
  const connection = await RedisConnection.open(redis, () => {});
  try {
    await new StreamReader(connection.call, stream, redis.keySetting).findStart(0);
  } finally {
    connection.lose("checked");
  }
}
