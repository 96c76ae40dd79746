import { RedisClient } from "bun";
import { StreamReader } from "../../src/backend/redis/stream-reader.ts";
import { TestRedis } from "./redis.ts";

/** A real Redis Stream, a client that writes to it, and a reader. */
export class TestStream {
  readonly client: RedisClient;
  readonly reader: StreamReader;
  readonly #redis: TestRedis;

  private constructor(redis: TestRedis, client: RedisClient) {
    this.#redis = redis;
    this.client = client;
    this.reader = new StreamReader((command, args) => client.send(command, [...args]), "s", "the key");
  }

  static async start(): Promise<TestStream> {
    const redis = await TestRedis.start();
    const client = new RedisClient(redis.url);
    await client.connect();
    return new TestStream(redis, client);
  }

  async close(): Promise<void> {
    this.client.close();
    await this.#redis.close();
  }
}
