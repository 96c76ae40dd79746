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
 * KEYS: the marker. ARGV: the server's run id; the epoch that this gateway knew, '' for none; whether the server is durable; how long
 * usual reservations last from now on, at most; when the last unusual one expires, as far as this gateway knows.
 * Answers the epoch, how long until the fence (0: it is passed), and that last expiry.
 *
 * Memory counts as lost where the server restarted (its last writes may be gone), and where the marker is gone or another than this
 * gateway knew. A marker that is missed by a gateway which has just started is a new Redis.
 */
const ENROL = new Script(`
local server, epoch, durable, ahead = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local marker = redis.call('HMGET', KEYS[1], 'server', 'epoch', 'fence_ms', 'ahead_ms')
local known = marker[1]
local fence = tonumber(marker[3] or 0)
ahead = math.max(ahead, tonumber(marker[4] or 0))
local fence_now = math.max(now + tonumber(ARGV[4]), ahead)
if known and (known == server or durable) then
  if epoch ~= '' and epoch ~= marker[2] then fence = fence == 0 and fence_now or math.max(fence, ahead) end
  epoch = marker[2]
else
  if known or epoch ~= '' then fence = fence_now end
  epoch = server .. '.' .. time[1] .. '.' .. time[2]
end
local text = function(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch, 'fence_ms', text(fence), 'ahead_ms', text(ahead))
return {epoch, math.max(0, fence - now), ahead}
`);

/**
 * Whether Redis still remembers all that it was told. A restart may have cost it its last writes, a flush everything: then a request
 * that was let in before could be let in again. So every gateway knows which epoch of the shared memory it works in. A new one begins
 * with each loss, behind a fence: what expires before it may have been forgotten.
 *
 * The fence stands where reservations end whose timestamps were no further ahead of the server's time than the margin. Of those that
 * were, all gateways know how far they reach; each brings that along, and moves the fence. Only where the one gateway that knows of
 * such a request dies together with Redis is the fence too near for it.
 */
export class Continuity {
  readonly markerKey: string;
  /** A reservation that ends later than this from now has a timestamp that is unusually far ahead. */
  readonly usualMs: number;
  readonly #durable: boolean;
  #epoch = "";
  #aheadMs = 0;

  constructor({ prefix, durable, reservedForMs, marginMs }: ContinuityOptions) {
    this.markerKey = `${prefix}continuity`;
    this.usualMs = reservedForMs + marginMs;
    this.#durable = durable;
  }

  /** The epoch that this gateway enrolled in; empty before the first time. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Takes note of when the last reservation expires whose timestamp was unusually far ahead. */
  noteAhead(expiresAtMs: number): void {
    this.#aheadMs = Math.max(this.#aheadMs, expiresAtMs);
  }

  /** Takes up work with a server, on a connection that was just made. Gives how far ahead the fence is; 0 where it is passed. */
  async enrol(call: RedisCall, runId: string): Promise<number> {
    const args = [runId, this.#epoch, this.#durable ? "1" : "0", String(this.usualMs), String(this.#aheadMs)];
    const answer = await ENROL.run(call, [this.markerKey], args);
    if (!Array.isArray(answer)) throw notUnderstood();
    const [epoch, fenceInMs, aheadMs]: unknown[] = answer;
    if (typeof epoch !== "string" || typeof fenceInMs !== "number" || typeof aheadMs !== "number") throw notUnderstood();
    this.#epoch = epoch;
    this.noteAhead(aheadMs);
    return fenceInMs;
  }
}

function notUnderstood(): RedisUnavailable {
  return new RedisUnavailable("enrolling gave no answer to go by");
}
