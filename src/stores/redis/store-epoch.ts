import { type RedisCall, RedisUnavailable } from "./call.ts";
import { Script } from "./script.ts";

export interface StoreEpochOptions {
  readonly prefix: string;
  /** Whether the server keeps every write across a restart and a failover. */
  readonly durable: boolean;
  /** How long a reservation lasts if the timestamp of its request equals the server's time, in ms. */
  readonly reservedForMs: number;
  /** How far a request's timestamp may be ahead of the server's time, in ms, in all usual cases. */
  readonly marginMs: number;
}

/**
 * Lua code at the start of every script whose first key is the marker, the Redis hash that names the epoch. `now` is the server's time in
 * Unix ms.
 *
 * `quarantine_end_at` returns the end of the quarantine. If the server's clock was set back, it corrects this end:
 * - The clock had reached `seen`, so every key that expired up to `seen` is gone. The quarantine is extended to `seen`, but not beyond
 *   `latest`, the latest expiry of any reservation.
 * - An end that was computed from the wrong time is shortened to `usual` ms from now, or to `latest` if that is later.
 *
 * Three stored names are old: the fields `fence_ms` (end of the quarantine) and `ahead_ms` (latest expiry), and the marker's key
 * `continuity`. They are kept because gateways of two versions share one Redis during an upgrade.
 */
export const MARKER_PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function quarantine_end_at(quarantine_end, seen, latest, usual)
  if now >= seen then return quarantine_end end
  quarantine_end = math.min(math.max(quarantine_end, math.min(seen, latest)), math.max(latest, now + usual))
  redis.call('HSET', KEYS[1], 'fence_ms', text(quarantine_end), 'seen_ms', text(now))
  return quarantine_end
end
`;

/**
 * Joins the current epoch or starts a new one.
 *
 * KEYS: the marker (the Redis hash that names the epoch). ARGV:
 * - The run id of the server.
 * - The epoch that this gateway knows; '' if it knows none.
 * - '1' if the server is durable (keeps every write across a restart).
 * - The usual lifetime of a reservation, in ms.
 * - The latest expiry of any reservation that this gateway knows.
 *
 * Returns the epoch, the ms until the quarantine ends (0 if it is over), and the latest expiry.
 *
 * A new epoch starts if the marker is missing, or if a server that is not durable restarted. A new epoch starts in quarantine. Exception: a
 * new Redis needs no quarantine. Redis counts as new if the server is durable, the marker is missing, and this gateway knows no epoch. (A
 * server that is not durable may have lost its marker while no gateway ran.)
 *
 * If the marker names another epoch than the one that this gateway knows, the server lost its memory in the meantime, and the quarantine is
 * extended.
 */
const JOIN = new Script(`${MARKER_PRELUDE}
local server, epoch, durable, latest = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[5])
local marker = redis.call('HMGET', KEYS[1], 'server', 'epoch', 'fence_ms', 'ahead_ms', 'seen_ms')
local known = marker[1]
local quarantine_end = tonumber(marker[3] or 0)
latest = math.max(latest, tonumber(marker[4] or 0))
local usual = tonumber(ARGV[4])
local new_end = math.max(now + usual, latest)
if known and (known == server or durable) then
  if epoch ~= '' and epoch ~= marker[2] then
    quarantine_end = quarantine_end == 0 and new_end or math.max(quarantine_end, latest)
  end
  epoch = marker[2]
else
  if known or epoch ~= '' or not durable then quarantine_end = new_end end
  epoch = server .. '.' .. time[1] .. '.' .. time[2]
end
quarantine_end = quarantine_end_at(quarantine_end, tonumber(marker[5] or 0), latest, usual)
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch, 'fence_ms', text(quarantine_end), 'ahead_ms', text(latest))
redis.call('HSET', KEYS[1], 'seen_ms', text(now), 'usual_ms', text(usual))
return {epoch, math.max(0, quarantine_end - now), latest}
`);

/**
 * Checks the epoch and the quarantine.
 *
 * KEYS: the marker (the Redis hash that names the epoch), a key to write as a test. ARGV: the epoch. Returns three numbers:
 * - 1 if another epoch has started, 0 if not.
 * - The server's time in Unix ms.
 * - The ms until the quarantine ends; 0 if the quarantine is over.
 *
 * The script calls every command that requests need. So if the server refuses one of these commands (MISCONF, OOM, NOPERM), it also refuses
 * this script. Only this script uses HGETALL, so that a test that counts round trips can recognize it.
 */
const CHECK = new Script(`${MARKER_PRELUDE}
local fields, marker = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do marker[fields[i]] = fields[i + 1] end
if marker.epoch ~= ARGV[1] then return {1, now, 0} end
local function field(name) return tonumber(marker[name .. '_ms']) end
local quarantine_end = quarantine_end_at(field('fence'), field('seen'), field('ahead'), field('usual'))
redis.call('HSET', KEYS[1], 'seen_ms', text(now))
redis.call('HMGET', KEYS[1], 'epoch')
redis.call('EXISTS', KEYS[2])
redis.call('MGET', KEYS[2])
redis.call('SET', KEYS[2], '', 'PXAT', text(now + 1000))
return {0, now, math.max(0, quarantine_end - now)}
`);

export interface EpochCheck {
  /** Whether another epoch has started since this gateway joined. */
  readonly isEnded: boolean;
  /** The time on the server's clock, in Unix ms. */
  readonly serverMs: number;
  /** Time until the quarantine ends, in ms; 0 if the quarantine is over. */
  readonly quarantineMs: number;
}

/**
 * The epoch of the Redis memory that this gateway uses. It detects that reservations may be lost. Without its reservation, a request that
 * was accepted before could be accepted again. Reservations are lost in three ways:
 * - A restart may lose the last writes.
 * - A flush loses everything.
 * - If the server's clock runs ahead, keys expire early.
 *
 * A marker in Redis, a hash that all gateways share, names the epoch. A new epoch starts in quarantine. During the quarantine, a request is
 * refused if its reservation would expire before the quarantine ends, because this reservation may have been lost.
 *
 * The quarantine covers all reservations of requests whose timestamps were at most the margin ahead of the server's time: it ends when they
 * have expired.
 *
 * For timestamps further ahead, each gateway knows the latest expiry of any reservation. The gateway reports this expiry when it joins, and
 * the quarantine is extended to it. One case is not covered: only one gateway knows the latest expiry, and this gateway fails together with
 * Redis.
 */
export class StoreEpoch {
  readonly markerKey: string;
  readonly #checkKey: string;
  readonly #usualMs: number;
  readonly #durable: boolean;
  #id = "";
  #latestExpiryMs = 0;

  constructor({ prefix, durable, reservedForMs, marginMs }: StoreEpochOptions) {
    this.markerKey = `${prefix}continuity`;
    this.#checkKey = `${prefix}trial`;
    this.#usualMs = reservedForMs + marginMs;
    this.#durable = durable;
  }

  /** The epoch that this gateway joined; empty before the first `join`. */
  get id(): string {
    return this.#id;
  }

  /** Records the expiry of a reservation, in Unix ms on the server's clock. */
  noteExpiry(expiresAtMs: number): void {
    this.#latestExpiryMs = Math.max(this.#latestExpiryMs, expiresAtMs);
  }

  /**
   * Joins the current epoch or starts a new one. Call this once on each connection. Resolves to the ms until the quarantine ends; 0 if the
   * quarantine is over.
   */
  async join(call: RedisCall, runId: string): Promise<number> {
    const args = [runId, this.#id, this.#durable ? "1" : "0", String(this.#usualMs), String(this.#latestExpiryMs)];
    const reply = await JOIN.run(call, [this.markerKey], args);
    if (!Array.isArray(reply)) throw malformedReply();
    const [id, quarantineMs, latestExpiryMs]: unknown[] = reply;
    if (typeof id !== "string" || typeof quarantineMs !== "number" || typeof latestExpiryMs !== "number")
      throw malformedReply();
    this.#id = id;
    this.noteExpiry(latestExpiryMs);
    return quarantineMs;
  }

  /**
   * Checks the epoch and the quarantine. Call this once a second. So the gateway detects lost memory, or a clock that ran ahead, even while
   * no requests arrive. Rejects with `RedisUnavailable`.
   */
  async check(call: RedisCall): Promise<EpochCheck> {
    const reply = await CHECK.run(call, [this.markerKey, this.#checkKey], [this.#id]);
    if (!Array.isArray(reply)) throw malformedReply();
    const [ended, serverMs, quarantineMs]: unknown[] = reply;
    if (typeof serverMs !== "number" || typeof quarantineMs !== "number") throw malformedReply();
    return { isEnded: ended !== 0, serverMs, quarantineMs };
  }
}

function malformedReply(): RedisUnavailable {
  return new RedisUnavailable("the reply to the store epoch check is malformed");
}
