import { type RedisCall, RedisUnavailable } from "../../stores/redis/redis-call.ts";
import { Script } from "../../stores/redis/script.ts";
import { ENTRY_BYTES_MAX, type StreamEntry } from "./stream-entry.ts";

/** Maximum number of entries in one read. */
const ENTRIES_MAX = 256;
/** Size limit of one read, in bytes. The entry that exceeds the limit is the last entry of the read. */
const READ_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Reads the entries after an id, and the state of the stream, atomically.
 *
 * KEYS: the stream. ARGV: the id, ENTRIES_MAX, READ_BYTES_MAX, ENTRY_BYTES_MAX. The reply:
 * - The id of the newest entry that was ever added; '0-0' if the stream does not exist.
 * - The number of entries that were ever added.
 * - The number of entries that were removed: trimmed or deleted.
 * - The highest id that was deleted by XDEL.
 * - The hash of the entry with the given id; '' if there is no such entry.
 * - 1 if the reply has all entries after the id.
 * - The hash of the last entry of the reply.
 * - The hash of the newest entry that was ever added; '' if it was removed.
 * - The entries. Each has an id, fields and a hash. An entry that is too large has only its id and the number 1.
 */
const READ = new Script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0-0', 0, 0, '0-0', '', 1, '', '', {}} end
local info, reply = {}, redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #reply, 2 do info[reply[i]] = reply[i + 1] end
local added = info['entries-added']
if not added then return redis.error_reply('ERR the server is older than Redis 7') end
local function hash(entry) return entry and redis.sha1hex(table.concat(entry[2], '\\0')) or '' end
local known = hash(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1])
local entries, bytes, last = {}, 0, ''
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
for _, entry in ipairs(found) do
  local size = 0
  for _, text in ipairs(entry[2]) do size = size + #text end
  last = entry
  if size > tonumber(ARGV[4]) then entry = {entry[1], 1}; size = 0 else entry = {entry[1], entry[2], hash(entry)} end
  entries[#entries + 1] = entry
  bytes = bytes + size
  if bytes > tonumber(ARGV[3]) then break end
end
local complete = #entries == #found and #found < tonumber(ARGV[2]) and 1 or 0
if last ~= '' then last = hash(last) end
local lastId = info['last-generated-id']
local newest = hash(redis.call('XRANGE', KEYS[1], lastId, lastId)[1])
return {lastId, added, added - info['length'], info['max-deleted-entry-id'], known, complete, last, newest, entries}
`);

/**
 * Finds the entries that fill the replay buffers. KEYS: the stream. ARGV: the maximum age of these entries, in ms. The reply:
 * - The id of the newest entry that is older than this age on the clock of Redis; '0-0' if there is none.
 * - The id of the newest entry; '0-0' if there is none.
 * - The number of entries that were removed.
 */
const FIND_START = new Script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0-0', '0-0', 0} end
local info, reply = {}, redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #reply, 2 do info[reply[i]] = reply[i + 1] end
if not info['entries-added'] then return redis.error_reply('ERR the server is older than Redis 7') end
local time = redis.call('TIME')
local from = string.format('%.0f', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1]))
local function newest(upTo)
  local entry = redis.call('XREVRANGE', KEYS[1], upTo, '-', 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end
return {newest('(' .. from .. '-0'), newest('+'), info['entries-added'] - info['length']}
`);

/** The result of one read: the state of the stream, and the entries after the given id. */
export interface StreamRead {
  readonly lastId: string;
  readonly added: number;
  readonly removed: number;
  readonly maxDeletedId: string;
  /** The hash of the entry with the given id; `undefined` if there is no such entry. */
  readonly hashAtId: string | undefined;
  /** Whether `entries` has all entries after the given id. */
  readonly isComplete: boolean;
  /** The hash of the last entry of `entries`; `undefined` if there are no entries. */
  readonly lastHash: string | undefined;
  /** The hash of the entry with the id `lastId`; `undefined` if it was removed. */
  readonly newestHash: string | undefined;
  readonly entries: readonly StreamEntry[];
}

/** The range of entries that fill the replay buffers. */
export interface FillRange {
  /** The id of the newest entry before the range; `0-0` if there is none. */
  readonly from: string;
  /** True if `from` is `0-0` and entries were removed from the stream. The entry before the range is then unknown. */
  readonly startsAtOldest: boolean;
  /** The id of the last entry of the range; `0-0` if there is none. */
  readonly last: string;
}

/** An id that is lower than the id of every entry. */
export const ZERO_ID = "0-0";

/** Reads one Redis Stream. If Redis gives no usable reply, a call rejects with `RedisUnavailable`. */
export class StreamReader {
  readonly #call: RedisCall;
  readonly #key: string;
  readonly #keySetting: string;

  /** `keySetting` is the setting that contains the key. */
  constructor(call: RedisCall, key: string, keySetting: string) {
    this.#call = call;
    this.#key = key;
    this.#keySetting = keySetting;
  }

  async readAfter(id: string): Promise<StreamRead> {
    const args = [id, ENTRIES_MAX, READ_BYTES_MAX, ENTRY_BYTES_MAX].map(String);
    const reply = await this.#run(READ, args);
    const [lastId, added, removed, maxDeletedId, ...more]: unknown[] = Array.isArray(reply) ? reply : [];
    const [hashAtId, complete, lastHash, newestHash, entries]: unknown[] = more;
    const hasIds = typeof lastId === "string" && typeof maxDeletedId === "string";
    if (!hasIds || typeof added !== "number" || typeof removed !== "number" || !Array.isArray(entries)) throw malformed();
    return {
      ...{ lastId, added, removed, maxDeletedId, isComplete: complete === 1 },
      hashAtId: String(hashAtId) || undefined,
      lastHash: String(lastHash) || undefined,
      newestHash: String(newestHash) || undefined,
      entries: entries.map(toEntry),
    };
  }

  async findStart(ageMs: number): Promise<FillRange> {
    const reply = await this.#run(FIND_START, [String(ageMs)]);
    const [from, last, removed]: unknown[] = Array.isArray(reply) ? reply : [];
    if (typeof from !== "string" || typeof last !== "string" || typeof removed !== "number") throw malformed();
    return { from, last, startsAtOldest: from === ZERO_ID && removed > 0 };
  }

  #run(script: Script, args: readonly string[]): Promise<unknown> {
    return this.#explained(script.run(this.#call, [this.#key], args));
  }

  #explained(reply: Promise<unknown>): Promise<unknown> {
    return reply.catch((error: unknown) => {
      throw explainWrongType(error, this.#key, this.#keySetting);
    });
  }

  /** Resolves to `true` when an entry after `id` is added, and to `false` after `waitMs`. */
  async waitAfter(id: string, waitMs: number): Promise<boolean> {
    const args = ["COUNT", "1", "BLOCK", String(waitMs), "STREAMS", this.#key, id];
    const reply = await this.#explained(this.#call("XREAD", args));
    return reply !== null;
  }
}

function toEntry(entry: unknown): StreamEntry {
  const [id, reply, hash]: unknown[] = Array.isArray(entry) ? entry : [];
  if (typeof id !== "string") throw malformed();
  if (!Array.isArray(reply)) return { id, fields: undefined };
  const texts = reply.map(String);
  const fields: [string, string][] = [];
  for (let at = 0; at < texts.length; at += 2) fields.push([texts[at] ?? "", texts[at + 1] ?? ""]);
  return { id, fields, isUtf8: hash === hashOf(texts) };
}

/**
 * Computes the same hash as `READ`, but from the texts as they arrived. The connection replaces bytes that are not UTF-8 by U+FFFD.
 * So the two hashes are equal only if all texts arrived unchanged.
 */
function hashOf(texts: readonly string[]): string {
  return new Bun.CryptoHasher("sha1").update(texts.join("\0")).digest("hex");
}

function malformed(): RedisUnavailable {
  return new RedisUnavailable("the reply to a read of the stream is malformed");
}

/** Compares two ids of entries. An id is `<ms>-<number>`. Returns a number above 0 if `a` is newer. */
export function compareIds(a: string, b: string): number {
  const [[aMs, aNumber], [bMs, bNumber]] = [partsOf(a), partsOf(b)];
  if (aMs !== bMs) return aMs > bMs ? 1 : -1;
  if (aNumber === bNumber) return 0;
  return aNumber > bNumber ? 1 : -1;
}

function partsOf(id: string): [bigint, bigint] {
  const [ms = "0", number = "0"] = id.split("-");
  return [BigInt(ms), BigInt(number)];
}

/**
 * If a Redis command failed because `key` is not a stream, returns an error that names the key and its `setting`. Returns every
 * other error unchanged.
 */
export function explainWrongType(error: unknown, key: string, setting: string): unknown {
  if (!(error instanceof RedisUnavailable) || !/\bWRONGTYPE\b/.test(error.message)) return error;
  const advice = `delete the key, or set ${setting} to another one`;
  return new RedisUnavailable(`the key ${key} is not a stream (WRONGTYPE); ${advice}`, { cause: error });
}
