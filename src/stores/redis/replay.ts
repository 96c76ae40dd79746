import type { Clock } from "../../core/clock.ts";
import type { ReplayStore } from "../../core/ports.ts";
import { type Refusal, refuse } from "../../core/refusal.ts";
import type { Continuity } from "./continuity.ts";
import { hashedKey } from "./hashed-key.ts";
import type { RedisLink } from "./link.ts";
import { Script } from "./script.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface RedisReplayOptions {
  readonly prefix: string;
  /** How far a request's timestamp may be from a gateway's clock. The same on all gateways. */
  readonly windowMs: number;
  /** How much longer than that a reservation lasts: how far the clocks of gateways and server may be apart. */
  readonly marginMs: number;
}

/**
 * KEYS: the marker of continuity, the reservation. ARGV: epoch, when the reservation expires, the gateway's time, how far that may be
 * from the server's, for how long after a loss what expires may have been forgotten.
 */
const RESERVE = new Script(`
local marker = redis.call('HMGET', KEYS[1], 'epoch', 'lost_at_ms')
if marker[1] ~= ARGV[1] then return {'interrupted', 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires_at = tonumber(ARGV[2])
local ahead = tonumber(ARGV[3]) - now
if math.abs(ahead) > tonumber(ARGV[4]) then return {'apart', ahead} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {'replayed', 0} end
local lost_at = tonumber(marker[2])
local forgotten = lost_at + tonumber(ARGV[5]) - expires_at
if lost_at > 0 and forgotten >= 0 then return {'forgotten', forgotten} end
if expires_at <= now then return {'expired', 0} end
redis.call('SET', KEYS[2], '', 'PXAT', string.format('%.0f', expires_at))
return {'fresh', 0}
`);

/**
 * Reservations in Redis, shared by all gateways: one atomic script, one round trip. Whatever leaves it open whether a request was made
 * before refuses it as `REPLAY_STORE_UNAVAILABLE`.
 *
 * Expiry is on the server's clock. A reservation lasts until timestamp + window + margin, so it covers every gateway's window as long
 * as no gateway's clock is further from the server's than the margin; one that is further is refused. A loss of the server's memory
 * (see `Continuity`) refuses all requests that may have been let in before it: those whose timestamps were in the window then.
 *
 * A reservation whose answer is lost on the way stays: the client's repetition of that very request is refused as replayed.
 */
export class RedisReplayStore implements ReplayStore {
  readonly #link: RedisLink;
  readonly #continuity: Continuity;
  readonly #clock: Clock;
  readonly #keyPrefix: string;
  readonly #marginMs: string;
  readonly #forgottenForMs: string;

  constructor(link: RedisLink, continuity: Continuity, clock: Clock, options: RedisReplayOptions) {
    const { prefix, windowMs, marginMs } = options;
    this.#link = link;
    this.#continuity = continuity;
    this.#clock = clock;
    this.#keyPrefix = `${prefix}request`;
    this.#marginMs = String(marginMs);
    // Let in at the moment of the loss, by a clock that was ahead by the margin, with a timestamp ahead by the window.
    this.#forgottenForMs = String(2 * windowMs + 2 * marginMs);
  }

  async reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): Promise<boolean> {
    const keys = [this.#continuity.markerKey, hashedKey(this.#keyPrefix, deviceSessionId, requestId)];
    const nowMs = String(this.#clock.now());
    const args = [this.#continuity.epoch, String(expiresAtMs), nowMs, this.#marginMs, this.#forgottenForMs];
    const [verdict, detailMs] = verdictOf(await RESERVE.run(this.#link.call, keys, args).catch(unavailable));
    if (verdict === "fresh") return true;
    if (verdict === "replayed") return false;
    if (verdict === "interrupted") this.#link.reset("the server has lost its memory");
    throw refusalOf(verdict, detailMs);
  }
}

function unavailable(cause: unknown): never {
  throw refuse("REPLAY_STORE_UNAVAILABLE", { cause });
}

function verdictOf(answer: unknown): [string, number] {
  if (!Array.isArray(answer) || typeof answer[0] !== "string" || typeof answer[1] !== "number") {
    return unavailable(new RedisUnavailable("a reservation gave no answer to go by"));
  }
  return [answer[0], answer[1]];
}

function refusalOf(verdict: string, detailMs: number): Refusal {
  const cause = new RedisUnavailable(WHY[verdict]?.(detailMs) ?? verdict);
  return refuse("REPLAY_STORE_UNAVAILABLE", verdict === "forgotten" ? { cause, retryAfterMs: detailMs + 1 } : { cause });
}

const WHY: Readonly<Record<string, (detailMs: number) => string>> = {
  interrupted: () => "the server has lost its memory",
  apart: (ms) => `this gateway's clock and the server's are ${ms} ms apart, which is more than freshness.margin_ms`,
  forgotten: (ms) => `the server lost its memory, and this request may have been made before that; for ${ms} ms more`,
  expired: () => "the reservation would have expired already",
};
