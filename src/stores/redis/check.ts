import { type ConnectionOptions, RedisConnection } from "./connection.ts";
import { explainFailure } from "./probe.ts";
import { addressOf, RedisUnavailable, usesTls } from "./redis-call.ts";
import { type RedisTlsFiles, readRedisTls } from "./redis-tls.ts";
import { checkServer } from "./server-info.ts";

export interface RedisCheckOptions extends ConnectionOptions {
  readonly tlsFiles: RedisTlsFiles;
}

export interface CheckedRedis {
  /** The server's name and version, such as `redis 7.0.15`. */
  readonly server: string;
  /** The server's clock, in Unix ms. */
  readonly timeMs: number;
}

/**
 * Connects to Redis, logs in, and checks the server. Runs only `INFO` and `TIME`, so it writes nothing. Rejects with `StoreError`
 * or `RedisUnavailable`. The message of either error says what is wrong.
 */
export async function checkRedis(options: RedisCheckOptions): Promise<CheckedRedis> {
  const connection = await RedisConnection.open(options, () => {});
  try {
    return await askServer(connection, options);
  } catch (error) {
    // If the database number is wrong, RedisClient first reports success and then closes the connection. `explain` finds this
    // reason.
    if (error instanceof RedisUnavailable && connection.lost !== undefined) throw new RedisUnavailable(await explain(options));
    throw error;
  } finally {
    connection.lose("checked");
  }
}

async function askServer(connection: RedisConnection, options: RedisCheckOptions): Promise<CheckedRedis> {
  const { name, version } = checkServer(String(await connection.call("INFO", [])), addressOf(options.url));
  const time = await connection.call("TIME", []);
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  return { server: `${name} ${version}`, timeMs: (seconds ?? Number.NaN) * 1000 + (micros ?? 0) / 1000 };
}

function explain({ url, timeoutMs, tlsFiles }: RedisCheckOptions): Promise<string> {
  return explainFailure({ url, tls: usesTls(url) ? readRedisTls(tlsFiles) : undefined, tlsFiles, timeoutMs });
}
