import type { ClientEvent } from "../../core/events.ts";
import { EVENT_ID_MEMORY_MS } from "../../core/limits.ts";
import { EventIdReused, type PublishedEvent, type Publisher, PublishUnavailable } from "../../core/publisher.ts";
import type { Revocation } from "../../core/sessions.ts";
import { type ConnectionOptions, RedisConnection } from "../../stores/redis/connection.ts";
import { type RedisCall, RedisUnavailable } from "../../stores/redis/redis-call.ts";
import { Script } from "../../stores/redis/script.ts";
import { contentHash, eventKey } from "../publish/recent-event-ids.ts";
import { explainWrongType } from "./stream-reader.ts";

/**
 * Adds entries to the Redis Stream. Each event id is stored in a key of its own, with a hash of the entry's content. An entry whose
 * event id is already stored is skipped.
 *
 * KEYS: the stream, then the keys that store event ids.
 *
 * ARGV: the maximum number of entries, and the time for which an event id is kept, in ms. Then, for each entry:
 * - The index in KEYS of the key that stores its event id; 0 if the entry has no event id.
 * - The hash of its content.
 * - The name of its field.
 * - The value of its field.
 *
 * The reply has a number for each entry: 1 if the entry was skipped, otherwise 0. If an event id is stored with another hash, no
 * entry is added. The reply is then {-n}, and n is the number of the entry with this event id, from 1.
 */
const ADD = new Script(`
redis.call('XLEN', KEYS[1])
local known, results, seen = nil, {}, {}
for at = 3, #ARGV, 4 do
  local n, key, hash = (at + 1) / 4, KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  known = key and (seen[key] or redis.call('GET', key))
  if known and known ~= hash then return {-n} end
  if key then seen[key] = hash end
  results[n] = known and 1 or 0
end
for at = 3, #ARGV, 4 do
  local n, key = (at + 1) / 4, KEYS[tonumber(ARGV[at])]
  if results[n] == 0 then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', ARGV[at + 2], ARGV[at + 3])
    if key then redis.call('SET', key, ARGV[at + 1], 'PX', ARGV[2]) end
  end
end
return results
`);

export interface StreamPublisherOptions {
  readonly redis: ConnectionOptions;
  /** The key of the Redis Stream. The keys that store event ids start with this key. */
  readonly stream: string;
  /** Approximate maximum number of entries in the Redis Stream. Redis removes the oldest entries. */
  readonly entriesMax: number;
}

interface Entry {
  readonly field: "event" | "revocation";
  readonly json: string;
  readonly idKey?: string | undefined;
  readonly hash?: string;
}

/** Publishes into the Redis Stream that the gateways read. Each call runs one script, which adds all entries atomically. */
export class StreamPublisher implements Publisher {
  readonly #options: StreamPublisherOptions;
  #connection: Promise<RedisConnection> | undefined;
  #isClosed = false;

  constructor(options: StreamPublisherOptions) {
    this.#options = options;
  }

  async publish(events: readonly ClientEvent[]): Promise<readonly PublishedEvent[]> {
    const results = await this.#add(events.map(eventEntry));
    const [first = 0] = results;
    if (first < 0) throw new EventIdReused(-first - 1);
    return results.map((result) => ({ isDuplicate: result === 1 }));
  }

  async revoke(revocations: readonly Revocation[]): Promise<void> {
    await this.#add(revocations.map(revocationEntry));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection?.catch(() => undefined);
    connection?.lose("the gateway is stopping");
  }

  async #add(entries: readonly Entry[]): Promise<readonly number[]> {
    const { redis, stream, entriesMax } = this.#options;
    const idKeys = entries.flatMap(({ idKey }) => (idKey === undefined ? [] : `${stream}:id:${idKey}`));
    let keyIndex = 1;
    const values = entries.flatMap(({ field, json, idKey, hash = "" }) => {
      return [String(idKey === undefined ? 0 : ++keyIndex), hash, field, json];
    });
    const args = [String(entriesMax), String(EVENT_ID_MEMORY_MS), ...values];
    try {
      const reply = await ADD.run(await this.#call(), [stream, ...idKeys], args);
      if (Array.isArray(reply)) return reply.map(Number);
      throw new RedisUnavailable("the reply to a publish is malformed");
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error;
      throw new PublishUnavailable("Redis did not take the events", {
        cause: explainWrongType(error, stream, redis.keySetting),
      });
    }
  }

  /** Opens a connection, unless one is open. */
  async #call(): Promise<RedisCall> {
    if (this.#isClosed) throw new RedisUnavailable("the gateway is stopping");
    this.#connection ??= RedisConnection.open(this.#options.redis, () => {
      this.#connection = undefined;
    });
    try {
      return (await this.#connection).call;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }
}

function eventEntry(event: ClientEvent): Entry {
  const { userId, deviceSessionId, eventType, eventId, payloadBytes } = event;
  const json = JSON.stringify({
    user_id: userId || undefined,
    device_session_id: deviceSessionId || undefined,
    event_type: eventType,
    event_id: eventId || undefined,
    payload_bytes: payloadBytes.toBase64(),
  });
  return { field: "event", json, idKey: eventKey(event), hash: contentHash(event) };
}

function revocationEntry({ userId, deviceSessionId }: Revocation): Entry {
  const json = JSON.stringify({ user_id: userId || undefined, device_session_id: deviceSessionId || undefined });
  return { field: "revocation", json };
}
