import type { Clock } from "../../core/clock.ts";
import type { ReplayStore } from "../../core/ports.ts";
import { type Refusal, refuse } from "../../core/refusal.ts";
import { hashedKey } from "./hashed-key.ts";
import type { RedisLink } from "./link.ts";
import { Script } from "./script.ts";
import { type Continuity, SERVER_CLOCK } from "./store-epoch.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface RedisReplayOptions {
  readonly prefix: string;
  /** How far the clocks of gateways and server may be apart; so much longer than its timestamp's window a reservation lasts. */
  readonly marginMs: number;
}

/**
 * KEYS: the marker of continuity, the reservation. ARGV: epoch, when the reservation expires, the gateway's time, how far that may be
 * from the server's. Answers a verdict, a detail of it in ms, and how far reservations reach. Of that the marker takes note some steps
 * ahead, so as not to be written with every request.
 */
const RESERVE = new Script(`${SERVER_CLOCK}
local marker = redis.call('HMGET', KEYS[1], 'epoch', 'fence_ms', 'ahead_ms', 'seen_ms', 'usual_ms')
if marker[1] ~= ARGV[1] then return {'interrupted', 0, 0} end
local expires_at, ahead, seen = tonumber(ARGV[2]), tonumber(marker[3]), tonumber(marker[4])
local apart = tonumber(ARGV[3]) - now
if math.abs(apart) > tonumber(ARGV[4]) then
  if now > seen then redis.call('HSET', KEYS[1], 'seen_ms', text(now)) end
  return {'apart', apart, ahead}
end
local fence = fence_after_clock(tonumber(marker[2]), seen, ahead, tonumber(marker[5]))
if redis.call('EXISTS', KEYS[2]) == 1 then return {'replayed', 0, ahead} end
if expires_at <= fence then return {'forgotten', fence - expires_at, ahead} end
if expires_at <= now then return {'expired', 0, ahead} end
redis.call('SET', KEYS[2], '', 'PXAT', text(expires_at))
if expires_at > ahead then
  ahead = expires_at + 200
  redis.call('HSET', KEYS[1], 'ahead_ms', text(ahead))
end
return {'fresh', 0, ahead}
`);

/**
 * Reservations in Redis, shared by all gateways: one atomic script, one round trip. Whatever leaves it open whether a request was made
 * before refuses it as `REPLAY_STORE_UNAVAILABLE`.
 *
 * Expiry is on the server's clock. A reservation lasts until timestamp + window + margin, so it covers every gateway's window as long
 * as no gateway's clock is further from the server's than the margin; one that is further is refused. After a loss of the server's
 * memory, or where its clock ran ahead for a while (see `Continuity`), all requests are refused that may have been let in before.
 *
 * A reservation whose answer is lost on the way stays: the client's repetition of that very request is refused as replayed.
 */
export class RedisReplayStore implements ReplayStore {
  readonly #link: RedisLink;
  readonly #continuity: Continuity;
  readonly #clock: Clock;
  readonly #keyPrefix: string;
  readonly #marginMs: string;

  constructor(link: RedisLink, continuity: Continuity, clock: Clock, { prefix, marginMs }: RedisReplayOptions) {
    this.#link = link;
    this.#continuity = continuity;
    this.#clock = clock;
    this.#keyPrefix = `${prefix}request`;
    this.#marginMs = String(marginMs);
  }

  async reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): Promise<boolean> {
    const { epoch, markerKey } = this.#continuity;
    const keys = [markerKey, hashedKey(this.#keyPrefix, deviceSessionId, requestId)];
    const args = [epoch, String(expiresAtMs), String(this.#clock.now()), this.#marginMs];
    const { verdict, detailMs, aheadMs } = answerOf(await RESERVE.run(this.#link.call, keys, args).catch(unavailable));
    this.#continuity.noteAhead(aheadMs);
    if (verdict === "fresh") return true;
    if (verdict === "replayed") return false;
    // A call that was under way while another began anew knows the old epoch, and nothing new.
    if (verdict === "interrupted" && epoch === this.#continuity.epoch) this.#link.reset("the server has lost its memory");
    throw refusalOf(verdict, detailMs);
  }
}

function unavailable(cause: unknown): never {
  throw refuse("REPLAY_STORE_UNAVAILABLE", { cause });
}

function answerOf(answer: unknown) {
  if (!Array.isArray(answer)) return notUnderstood();
  const [verdict, detailMs, aheadMs]: unknown[] = answer;
  if (typeof verdict !== "string" || typeof detailMs !== "number" || typeof aheadMs !== "number") return notUnderstood();
  return { verdict, detailMs, aheadMs };
}

function notUnderstood(): never {
  return unavailable(new RedisUnavailable("a reservation gave no answer to go by"));
}

function refusalOf(verdict: string, detailMs: number): Refusal {
  const cause = new RedisUnavailable(WHY[verdict]?.(detailMs) ?? verdict);
  return refuse("REPLAY_STORE_UNAVAILABLE", verdict === "forgotten" ? { cause, retryAfterMs: detailMs + 1 } : { cause });
}

const WHY: Readonly<Record<string, (detailMs: number) => string>> = {
  interrupted: () => "the server has lost its memory",
  apart: (ms) => `this gateway's clock and the server's are ${ms} ms apart, which is more than freshness.margin_ms`,
  forgotten: (ms) => `the server may have forgotten requests, and this may be one of them; for ${ms} ms more`,
  expired: () => "the reservation would have expired already",
};
