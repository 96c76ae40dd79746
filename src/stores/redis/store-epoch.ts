import { type RedisCall, RedisUnavailable } from "./call.ts";
import { Script } from "./script.ts";

export interface StoreEpochOptions {
  readonly prefix: string;
  /** Whether the server keeps every write across a restart and a failover. */
  readonly durable: boolean;
  /** Lifetime of a reservation whose timestamp equals the server's time. */
  readonly reservedForMs: number;
  /** How far ahead of the server's time a timestamp usually is, at most. */
  readonly marginMs: number;
}

/**
 * Lua prelude of every script whose first key is the marker. `now` is the server's time in Unix ms.
 *
 * `quarantine_end_at` returns the end of the quarantine, corrected if the server's clock was set back. The clock then ran as far as
 * `seen`, and every key that expired by then is gone, so the quarantine reaches to `seen`. It never reaches beyond `latest`, the latest
 * expiry of any reservation. An end that was computed from the wrong time is shortened to `usual` from now.
 *
 * `fence_ms` (end of the quarantine), `ahead_ms` (latest expiry) and `continuity` (the marker's key) keep their stored names, because
 * gateways of two versions share one Redis during an upgrade.
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
 * KEYS: the marker. ARGV: the server's run id; the epoch that this gateway knows ('' if none); '1' if the server is durable; the usual
 * lifetime of a reservation; the latest expiry that this gateway knows. Returns the epoch, the ms until the quarantine ends (0: it is
 * over), and the latest expiry.
 *
 * A new epoch starts if the marker is missing, or if a server that is not durable restarted. It starts in quarantine, with one exception:
 * a durable server without a marker, joined by a gateway that knows no epoch, is a new Redis. (A server that is not durable may have lost
 * its marker while no gateway ran.) If this gateway knows another epoch than the marker, memory was lost meanwhile, and the quarantine is
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
 * KEYS: the marker, a key to write. ARGV: the epoch. Returns 1 if another epoch has started, else 0; the server's time; the ms until the
 * quarantine ends.
 *
 * It calls every command that requests need, so a server that refuses one of them (MISCONF, OOM, NOPERM) refuses the check too. It is the
 * only script with HGETALL, by which a test that counts round trips tells it from the others.
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
  /** Another epoch has started since this gateway joined. */
  readonly isEnded: boolean;
  /** The server's clock, Unix milliseconds. */
  readonly serverMs: number;
  /** Time until the quarantine ends; 0 if it is over. */
  readonly quarantineMs: number;
}

/**
 * The epoch of the Redis memory that this gateway works in. It detects lost reservations: a restart may lose the last writes, a flush
 * loses everything, and a clock that ran ahead expires keys early. A request that was accepted before could be accepted again.
 *
 * A marker in Redis, a hash that all gateways share, names the epoch. Each loss starts a new one, in quarantine: a reservation that would
 * expire before the quarantine ends may have been lost, so its request is refused.
 *
 * The quarantine lasts until all reservations are over whose timestamps were at most the margin ahead of the server's time. Each gateway
 * also knows the latest expiry of any reservation and reports it when it joins, which extends the quarantine. One case is not covered: the
 * only gateway that knows of a request further ahead dies together with Redis.
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

  /** Records the expiry of a reservation, Unix milliseconds on the server's clock. */
  noteExpiry(expiresAtMs: number): void {
    this.#latestExpiryMs = Math.max(this.#latestExpiryMs, expiresAtMs);
  }

  /** Joins the current epoch or starts a new one. Run once on each connection. Resolves to the ms until the quarantine ends; 0: it is over. */
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

  /** Run once a second, so that a loss or a clock that ran ahead is detected without requests. Rejects with `RedisUnavailable`. */
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
