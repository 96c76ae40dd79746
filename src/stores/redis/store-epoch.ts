import { type RedisCall, RedisUnavailable } from "./redis-call.ts";
import { Script } from "./script.ts";

export interface StoreEpochOptions {
  readonly prefix: string;
  /** Whether the server keeps every write across a restart and a failover. */
  readonly durable: boolean;
  /** Lifetime of a reservation in ms, if the timestamp of its request equals the server's time. */
  readonly reservedForMs: number;
  /**
   * The timestamp of a request is expected to be at most this far ahead of the server's time, in ms. `StoreEpoch` also covers
   * timestamps that are further ahead.
   */
  readonly marginMs: number;
}

/**
 * Lua code at the start of every script whose first key is the marker (the Redis hash that names the epoch). `now` is the
 * server's time in Unix ms.
 *
 * `quarantine_end_at` returns the end of the quarantine, in Unix ms. Its parameters:
 * - `quarantine_end`: the stored end of the quarantine.
 * - `seen`: a time that the server's clock has shown before.
 * - `latest`: the latest expiry of any reservation.
 * - `usual`: the expected maximum lifetime of a reservation, in ms.
 *
 * If `now` is before `seen`, the server's clock was set back. The function then corrects the stored end and stores it again:
 * - The end is at least the earlier of `seen` and `latest`. Redis has already deleted the reservations that expire before `seen`.
 *   No reservation expires after `latest`.
 * - The end is at most the later of `now + usual` and `latest`. Otherwise the quarantine would last too long if the stored end was
 *   computed while the clock was ahead.
 *
 * Three stored names differ from the terms in this file: `fence_ms` (end of the quarantine), `ahead_ms` (latest expiry) and the
 * key `continuity` (the marker). They are kept because gateways of two versions share one Redis during an upgrade.
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
 * - The epoch that this gateway joined last; '' if it joined none.
 * - '1' if the server is durable (keeps every write across a restart).
 * - The expected maximum lifetime of a reservation, in ms.
 * - The latest expiry that this gateway has recorded for any reservation, in Unix ms.
 *
 * Returns the epoch, the ms until the quarantine ends (0 if it is over), and the latest expiry of any reservation.
 *
 * A new epoch starts if the marker is missing, or if a server that is not durable has restarted. A new epoch starts in
 * quarantine. Exception: a new Redis needs no quarantine. Redis counts as new if all of this is true:
 * - The marker is missing.
 * - This gateway has joined no epoch before.
 * - The server is durable. A server that is not durable may have lost the marker while no gateway ran.
 *
 * If the marker names another epoch than the one that this gateway joined last, the server has lost its memory since then. The
 * script then changes the quarantine of the new epoch:
 * - If the new epoch started in quarantine, the quarantine is extended to the latest expiry.
 * - If the new epoch started without a quarantine, a quarantine starts now.
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
 * KEYS: the marker (the Redis hash that names the epoch), then a key that the script writes as a test. ARGV: the epoch.
 *
 * Returns three numbers:
 * - 1 if another epoch has started, 0 if not.
 * - The server's time in Unix ms.
 * - The ms until the quarantine ends; 0 if the quarantine is over.
 *
 * The script calls every command that reservations and buckets need. So it fails if the server refuses one of them (MISCONF, OOM,
 * NOPERM).
 *
 * Tests that count round trips recognize this script and `CHECK_RIGHTS` by the command HGETALL.
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
  /** Whether another epoch has started since this gateway joined its epoch. */
  readonly isEnded: boolean;
  /** The time on the server's clock, in Unix ms. */
  readonly serverMs: number;
  /** Time until the quarantine ends, in ms; 0 if the quarantine is over. */
  readonly quarantineMs: number;
}

/**
 * The epoch that this gateway joined. An epoch is a period in which the Redis server has lost no data. Requests whose
 * reservation may be lost are refused. Otherwise a request could be accepted twice.
 *
 * Reservations are lost in three ways:
 * - A restart may lose the last writes.
 * - A flush loses everything.
 * - If the server's clock runs ahead, keys expire early.
 *
 * All gateways share a marker: a hash in Redis that names the epoch. If the marker shows that writes may be lost, a new epoch
 * starts, in quarantine. If the server's clock was set back, the end of the quarantine is recomputed (`quarantine_end_at`).
 *
 * During the quarantine, a request is refused if its reservation would expire before the quarantine ends. The quarantine ends
 * when all lost reservations would have expired. This is the later of two times:
 * - The server's time at the start of the quarantine, plus the expected maximum lifetime of a reservation. This time covers
 *   request timestamps that are at most `marginMs` ahead of the server.
 * - The latest expiry that any gateway has recorded for a reservation. This time covers request timestamps that are further ahead.
 *   Each gateway records the latest expiry that a script returns, and sends this expiry to Redis when the gateway joins an epoch.
 *
 * One case is not covered: only one gateway has recorded the latest expiry, and this gateway fails together with Redis.
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
   * Joins the current epoch or starts a new one. Call this once on each connection. Resolves to the ms until the quarantine
   * ends; 0 if the quarantine is over.
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
   * Checks the epoch and the quarantine. Call this once a second. The check detects that memory was lost, or that the clock was set
   * back, even while no requests arrive. Rejects with `RedisUnavailable`.
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
