import type { BackendReply } from "../../core/backend.ts";
import { KEEP_ANSWER_MS_MAX } from "../../core/limits.ts";
import { RedisUnavailable } from "./redis-call.ts";
import { Script } from "./script.ts";

/**
 * The Redis keys of kept answers. Each key starts with the prefix and has a time to live. ID is a hash of the session and the
 * idempotency key. SESSION is a hash of the session.
 *
 * - `answer:ID`: a Redis hash that is a claim or a kept answer. A claim has the fields `fingerprint` and `token`. A kept answer
 *   has the fields `fingerprint`, `code`, `body`, `until` and `member`. The field `until` contains `keptUntilMs`.
 * - `answers:age`: a sorted set of all kept answers, by the time of storage.
 * - `answers:expiry`: a sorted set of all kept answers, by the time of deletion.
 * - `answers-of:SESSION`: a sorted set of one session's kept answers, by the time of storage.
 * - `answers:use`: a Redis hash of sizes in bytes. The field `bytes` is the size of all kept answers. The field SESSION is the size
 *   of one session's kept answers.
 *
 * A member of a sorted set is `ID:BYTES:SESSION:TOKEN`. So the function `drop` can subtract the size of an expired answer.
 * The token makes the member unique.
 */
const PRELUDE = `
local prefix = ARGV[1]
local age, expiry, use = prefix .. 'answers:age', prefix .. 'answers:expiry', prefix .. 'answers:use'
local function of(session) return prefix .. 'answers-of:' .. session end
local function drop(member)
  local id, bytes, session = string.match(member, '^([^:]+):(%d+):([^:]+):')
  local key = prefix .. 'answer:' .. id
  if redis.call('HMGET', key, 'member')[1] == member then redis.call('DEL', key) end
  redis.call('ZREM', age, member)
  redis.call('ZREM', expiry, member)
  redis.call('ZREM', of(session), member)
  redis.call('HINCRBY', use, 'bytes', -bytes)
  if redis.call('HINCRBY', use, session, -bytes) <= 0 then redis.call('HDEL', use, session) end
end
`;

/**
 * Claims a command.
 *
 * KEYS: the marker (the Redis hash that names the store epoch); `answer:ID`. ARGV: the prefix; the epoch; the fingerprint; the
 * token of the claim; the lease in ms; the time of the request.
 *
 * Returns a verdict, and its details if it has any:
 *
 * - `epoch ended`, `reused` and `first` have no details.
 * - `busy`: the token of the other claim.
 * - `kept`: the result code and the payload. The payload is text in which each character is one byte (Latin-1).
 */
export const CLAIM = new Script(`${PRELUDE}
if redis.call('HMGET', KEYS[1], 'epoch')[1] ~= ARGV[2] then return {'epoch ended'} end
local found = redis.call('HMGET', KEYS[2], 'fingerprint', 'token', 'until', 'code', 'body', 'member')
local is_kept = found[4] and tonumber(ARGV[6]) <= tonumber(found[3])
if (found[2] or is_kept) and found[1] ~= ARGV[3] then return {'reused'} end
if found[2] then return {'busy', found[2]} end
if is_kept then return {'kept', found[4], found[5]} end
if found[6] then drop(found[6]) end
redis.call('HSET', KEYS[2], 'fingerprint', ARGV[3], 'token', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return {'first'}
`);

/** Maximum number of expired answers that one call of `KEEP` removes from the sorted sets and subtracts from the sizes. */
const EXPIRED_PER_KEEP_MAX = 32;
/** Maximum number of answers that are evicted for one new answer. It bounds the time for which the script blocks the server. */
const EVICTIONS_MAX = 10_000;
/** Time to live of the sorted sets and the sizes. It is longer than the time to live of any answer. */
const INDEX_TTL_MS = 2 * KEEP_ANSWER_MS_MAX;

/**
 * Keeps an answer and ends its claim. After the end of the lease, keeps the answer only if the command has no other claim or
 * answer.
 *
 * KEYS: `answer:ID`. ARGV: the prefix; the token of the claim; the fingerprint; the result code; the payload; `keptUntilMs`;
 * `storedUntilMs`; the id of the answer; the id of its session; its size; the maximum number of all answers; their maximum size;
 * `ANSWER_SHARES`.
 *
 * Returns a verdict, the number of evicted answers, and the number and size of all answers. The verdicts:
 *
 * - `kept`: the answer is stored.
 * - `lost`: the command has another claim or answer.
 * - `full`: the answer does not fit.
 */
export const KEEP = new Script(`${PRELUDE}
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local bytes, entries_max, bytes_max, shares = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local own, evicted = of(ARGV[9]), 0
local function size_of(field) return tonumber(redis.call('HMGET', use, field)[1] or 0) end
local function result(verdict) return {verdict, evicted, redis.call('ZCARD', age), size_of('bytes')} end
local function is_over(list, field, parts)
  return (redis.call('ZCARD', list) + 1) * parts > entries_max or (size_of(field) + bytes) * parts > bytes_max
end
local function make_room(list, field, parts)
  while is_over(list, field, parts) do
    local oldest = redis.call('ZRANGE', list, 0, 0)[1]
    if not oldest or evicted >= ${EVICTIONS_MAX} then return false end
    drop(oldest)
    evicted = evicted + 1
  end
  return true
end
local found = redis.call('HMGET', KEYS[1], 'token', 'code')
if found[2] or (found[1] and found[1] ~= ARGV[2]) then return result('lost') end
local now = string.format('%.0f', math.floor(micros / 1000))
for _, member in ipairs(redis.call('ZRANGE', expiry, '-inf', now, 'BYSCORE', 'LIMIT', 0, ${EXPIRED_PER_KEEP_MAX})) do drop(member) end
if not make_room(own, ARGV[9], shares) or not make_room(age, 'bytes', 1) then
  redis.call('DEL', KEYS[1])
  return result('full')
end
local member, order = table.concat({ARGV[8], ARGV[10], ARGV[9], ARGV[2]}, ':'), string.format('%.0f', micros)
redis.call('ZADD', age, order, member)
redis.call('ZADD', expiry, ARGV[7], member)
redis.call('ZADD', own, order, member)
redis.call('HINCRBY', use, 'bytes', bytes)
redis.call('HINCRBY', use, ARGV[9], bytes)
for _, key in ipairs({age, expiry, own, use}) do redis.call('PEXPIRE', key, ${INDEX_TTL_MS}) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[3], 'code', ARGV[4], 'body', ARGV[5], 'until', ARGV[6], 'member', member)
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
return result('kept')
`);

/**
 * Calls every Redis command that `CLAIM`, `KEEP` and `RELEASE` call, except the commands that `StoreEpoch` checks. Fails with
 * NOPERM if the Redis user has no right to one of these commands.
 *
 * The script calls HGETALL, because tests that count round trips ignore every script that calls HGETALL.
 *
 * KEYS: a sorted set and a hash to test with.
 */
export const CHECK_RIGHTS = new Script(`
redis.call('ZADD', KEYS[1], 1, 'a')
redis.call('ZRANGE', KEYS[1], 0, 0)
redis.call('ZCARD', KEYS[1])
redis.call('ZREM', KEYS[1], 'a')
redis.call('HSET', KEYS[2], 'a', 1)
redis.call('HGETALL', KEYS[2])
redis.call('HINCRBY', KEYS[2], 'a', 1)
redis.call('PEXPIREAT', KEYS[2], '99999999999999')
redis.call('PEXPIRE', KEYS[2], 1000)
redis.call('HDEL', KEYS[2], 'a')
redis.call('DEL', KEYS[2])
return 1
`);

/** Ends a claim without an answer. KEYS: `answer:ID`. ARGV: the token of the claim. */
export const RELEASE = new Script(`
if redis.call('HMGET', KEYS[1], 'token')[1] == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);

export type ClaimReply =
  | { readonly verdict: "first" | "reused" }
  | { readonly verdict: "busy"; readonly token: string }
  | { readonly verdict: "kept"; readonly reply: BackendReply };

/** Reads the reply to `CLAIM`. Throws `RedisUnavailable` if it is malformed. */
export function readClaim(raw: unknown): ClaimReply | "epoch ended" {
  const [verdict, first, second]: readonly unknown[] = Array.isArray(raw) ? raw : [];
  if (verdict === "first" || verdict === "reused") return { verdict };
  if (verdict === "busy" && typeof first === "string") return { verdict, token: first };
  if (verdict === "kept" && typeof first === "string" && typeof second === "string") {
    return { verdict, reply: { resultCode: first, payloadBytes: new Uint8Array(Buffer.from(second, "latin1")) } };
  }
  if (verdict === "epoch ended") return verdict;
  throw new RedisUnavailable("the reply to the claim script is malformed");
}

export interface KeepReply {
  readonly verdict: "kept" | "lost" | "full";
  readonly evicted: number;
  /** The number of kept answers of all gateways. */
  readonly entries: number;
  /** The size of the kept answers of all gateways, in bytes. */
  readonly bytes: number;
}

/** Reads the reply to `KEEP`. Throws `RedisUnavailable` if it is malformed. */
export function readKeep(raw: unknown): KeepReply {
  const [verdict, evicted, entries, bytes]: readonly unknown[] = Array.isArray(raw) ? raw : [];
  const isVerdict = verdict === "kept" || verdict === "lost" || verdict === "full";
  if (isVerdict && typeof evicted === "number" && typeof entries === "number" && typeof bytes === "number") {
    return { verdict, evicted, entries, bytes };
  }
  throw new RedisUnavailable("the reply to the script that keeps an answer is malformed");
}
