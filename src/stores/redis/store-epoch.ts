import type { RedisCall } from "./connection.ts";
import { Script } from "./script.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface ContinuityOptions {
  readonly prefix: string;
  /** Whether the server keeps every write over a restart or a failover. */
  readonly durable: boolean;
  /** For how long a reservation is made whose timestamp is the server's time. */
  readonly reservedForMs: number;
  /** How far a timestamp may usually be ahead of the server's time. */
  readonly marginMs: number;
}

/**
 * What scripts begin with that go by the marker, their first key: the server's time in ms, and where the fence is, once it is clear whether
 * that clock was set back. If so, it stood as late as `seen`, and what expired by then is forgotten; but no reservation was ever to last
 * beyond `ahead`. And a fence that was put up by the wrong time is put where the right one would have it, `usual` from now.
 */
export const SERVER_CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function fence_after_clock(fence, seen, ahead, usual)
  if now >= seen then return fence end
  fence = math.min(math.max(fence, math.min(seen, ahead)), math.max(ahead, now + usual))
  redis.call('HSET', KEYS[1], 'fence_ms', text(fence), 'seen_ms', text(now))
  return fence
end
`;

/**
 * KEYS: the marker. ARGV: the server's run id; the epoch that this gateway knew, '' for none; whether the server is durable; how long
 * usual reservations last from now on, at most; how far any reaches, as far as this gateway knows. Answers the epoch, how long until the
 * fence (0: it is passed), and how far any reaches.
 *
 * Memory counts as lost where the server restarted (its last writes may be gone), and where the marker is gone or another than this
 * gateway knew. A marker that is missed by a gateway which has just started is a new Redis, or one that was flushed while no gateway
 * ran: only of a server that keeps everything is it known which.
 */
const ENROL = new Script(`${SERVER_CLOCK}
local server, epoch, durable, ahead = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[5])
local marker = redis.call('HMGET', KEYS[1], 'server', 'epoch', 'fence_ms', 'ahead_ms', 'seen_ms')
local known = marker[1]
local fence = tonumber(marker[3] or 0)
ahead = math.max(ahead, tonumber(marker[4] or 0))
local usual = tonumber(ARGV[4])
local latest = math.max(now + usual, ahead)
if known and (known == server or durable) then
  if epoch ~= '' and epoch ~= marker[2] then fence = fence == 0 and latest or math.max(fence, ahead) end
  epoch = marker[2]
else
  if known or epoch ~= '' or not durable then fence = latest end
  epoch = server .. '.' .. time[1] .. '.' .. time[2]
end
fence = fence_after_clock(fence, tonumber(marker[5] or 0), ahead, usual)
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch, 'fence_ms', text(fence), 'ahead_ms', text(ahead))
redis.call('HSET', KEYS[1], 'seen_ms', text(now), 'usual_ms', text(usual))
return {epoch, math.max(0, fence - now), ahead}
`);

/**
 * KEYS: the marker, a key to try. ARGV: the epoch. Answers whether the memory is another's, the server's time, and how long until the
 * fence. It alone reads the marker as a whole, by which whoever counts commands can tell it from the others. It tries every command that
 * requests need, so that a server that refuses one of them (MISCONF, OOM, NOPERM) refuses this too.
 */
const LOOK = new Script(`${SERVER_CLOCK}
local fields, marker = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do marker[fields[i]] = fields[i + 1] end
if marker.epoch ~= ARGV[1] then return {1, now, 0} end
local function field(name) return tonumber(marker[name .. '_ms']) end
local fence = fence_after_clock(field('fence'), field('seen'), field('ahead'), field('usual'))
redis.call('HSET', KEYS[1], 'seen_ms', text(now))
redis.call('HMGET', KEYS[1], 'epoch')
redis.call('EXISTS', KEYS[2])
redis.call('MGET', KEYS[2])
redis.call('SET', KEYS[2], '', 'PXAT', text(now + 1000))
return {0, now, math.max(0, fence - now)}
`);

/** What a look at the server shows. */
export interface Look {
  /** The memory is another than this gateway knew. */
  readonly isInterrupted: boolean;
  /** Unix milliseconds, by the server's clock. */
  readonly serverMs: number;
  /** How far ahead the fence is; 0 where it is passed. */
  readonly fenceInMs: number;
}

/**
 * Whether Redis still remembers all that it was told. A restart may have cost it its last writes, a flush everything, a clock that ran
 * ahead for a while what expired then: a request that was let in before could be let in again. So every gateway knows which epoch of the
 * shared memory it works in. A new one begins with each loss, behind a fence: what expires before it may have been forgotten.
 *
 * The fence stands where reservations end whose timestamps were no further ahead of the server's time than the margin. Of those that
 * were, all gateways know how far they reach; each brings that along, and moves the fence. Only where the one gateway that knows of
 * such a request dies together with Redis is the fence too near for it.
 */
export class Continuity {
  readonly markerKey: string;
  readonly #trialKey: string;
  readonly #usualMs: number;
  readonly #durable: boolean;
  #epoch = "";
  #aheadMs = 0;

  constructor({ prefix, durable, reservedForMs, marginMs }: ContinuityOptions) {
    this.markerKey = `${prefix}continuity`;
    this.#trialKey = `${prefix}trial`;
    this.#usualMs = reservedForMs + marginMs;
    this.#durable = durable;
  }

  /** The epoch that this gateway enrolled in; empty before the first time. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Takes note of how far reservations reach. */
  noteAhead(expiresAtMs: number): void {
    this.#aheadMs = Math.max(this.#aheadMs, expiresAtMs);
  }

  /** Takes up work with a server, on a connection that was just made. Gives how far ahead the fence is; 0 where it is passed. */
  async enrol(call: RedisCall, runId: string): Promise<number> {
    const args = [runId, this.#epoch, this.#durable ? "1" : "0", String(this.#usualMs), String(this.#aheadMs)];
    const answer = await ENROL.run(call, [this.markerKey], args);
    if (!Array.isArray(answer)) throw notUnderstood();
    const [epoch, fenceInMs, aheadMs]: unknown[] = answer;
    if (typeof epoch !== "string" || typeof fenceInMs !== "number" || typeof aheadMs !== "number") throw notUnderstood();
    this.#epoch = epoch;
    this.noteAhead(aheadMs);
    return fenceInMs;
  }

  /** Looks whether all is as it was. To be done every second or so: a loss, or a clock that ran ahead, shows also while nobody asks. */
  async look(call: RedisCall): Promise<Look> {
    const answer = await LOOK.run(call, [this.markerKey, this.#trialKey], [this.#epoch]);
    if (!Array.isArray(answer)) throw notUnderstood();
    const [interrupted, serverMs, fenceInMs]: unknown[] = answer;
    if (typeof serverMs !== "number" || typeof fenceInMs !== "number") throw notUnderstood();
    return { isInterrupted: interrupted !== 0, serverMs, fenceInMs };
  }
}

function notUnderstood(): RedisUnavailable {
  return new RedisUnavailable("the marker of continuity gave no answer to go by");
}
