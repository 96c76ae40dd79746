import type { RedisCall } from "./connection.ts";
import { Script } from "./script.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface ContinuityOptions {
  readonly prefix: string;
  /** Whether the server keeps every write over a restart or a failover. */
  readonly durable: boolean;
}

/** A gateway's place in the life of the shared memory. */
export interface Standing {
  /** For how long the shared memory has lost nothing since it last did, by the server's clock; `undefined`: it never did. */
  readonly lostAgoMs: number | undefined;
}

/**
 * KEYS: the marker. ARGV: the server's run id, the epoch that this gateway knew ('' for none), whether the server is durable.
 * Answers the epoch, and how many milliseconds ago memory was lost (-1: never).
 *
 * Memory counts as lost where the server restarted (its last writes may be gone), and where the marker is gone or another than this
 * gateway knew. A marker that is missed by a gateway which has just started is a new Redis.
 */
const ENROL = new Script(`
local server, epoch = ARGV[1], ARGV[2]
local durable = ARGV[3] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local marker = redis.call('HMGET', KEYS[1], 'server', 'epoch', 'lost_at_ms')
local known = marker[1]
local lost_at = tonumber(marker[3] or 0)
if known and known == server then
  if epoch ~= '' and epoch ~= marker[2] and lost_at == 0 then lost_at = now end
  epoch = marker[2]
elseif known and durable then
  epoch = marker[2]
else
  if known or epoch ~= '' then lost_at = now end
  epoch = server .. '.' .. time[1] .. '.' .. time[2]
end
redis.call('HSET', KEYS[1], 'server', server, 'epoch', epoch, 'lost_at_ms', string.format('%.0f', lost_at))
return {epoch, lost_at == 0 and -1 or now - lost_at}
`);

/**
 * Whether Redis still remembers all that it was told. A restart may have cost it its last writes, a flush everything: then a request
 * that was let in before could be let in again. So every gateway knows which epoch of the shared memory it works in; a new one begins
 * with each loss, and the marker in Redis says when that was.
 */
export class Continuity {
  readonly markerKey: string;
  readonly #durable: boolean;
  #epoch = "";

  constructor(options: ContinuityOptions) {
    this.markerKey = `${options.prefix}continuity`;
    this.#durable = options.durable;
  }

  /** The epoch that this gateway enrolled in; empty before the first time. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Takes up work with a server, on a connection that was just made. */
  async enrol(call: RedisCall, runId: string): Promise<Standing> {
    const answer = await ENROL.run(call, [this.markerKey], [runId, this.#epoch, this.#durable ? "1" : "0"]);
    if (!Array.isArray(answer) || typeof answer[0] !== "string" || typeof answer[1] !== "number") {
      throw new RedisUnavailable("enrolling gave no answer to go by");
    }
    this.#epoch = answer[0];
    return { lostAgoMs: answer[1] < 0 ? undefined : answer[1] };
  }
}
