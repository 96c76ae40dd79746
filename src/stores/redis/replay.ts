import type { ReplayStore } from "../../core/admission.ts";
import type { Clock } from "../../core/clock.ts";
import { type Refusal, refuse } from "../../core/refusal.ts";
import type { RedisLink } from "./link.ts";
import { RedisUnavailable } from "./redis-call.ts";
import { hashedKey, Script } from "./script.ts";
import { MARKER_PRELUDE, type StoreEpoch } from "./store-epoch.ts";

export interface RedisReplayOptions {
  readonly prefix: string;
  /**
   * Maximum allowed difference between the clocks of this gateway and of the Redis server, in ms. A reservation is kept for
   * this time after the freshness window of its request.
   */
  readonly marginMs: number;
}

/**
 * Time that the script adds to the latest expiry before it writes the expiry to the marker, in ms. Most later requests then need no
 * write, so the script writes about five times per second. The marker is the Redis hash that names the epoch.
 */
const EXPIRY_STEP_MS = 200;

/**
 * Reserves a request id.
 *
 * KEYS: the marker (the Redis hash that names the epoch), the reservation. ARGV:
 * - The epoch that this gateway joined.
 * - The expiry of the reservation, in Unix ms.
 * - The gateway's time, in Unix ms.
 * - The maximum allowed difference between the gateway's time and the server's time, in ms.
 *
 * Returns three values:
 * - A verdict, such as `fresh` or `replayed`.
 * - A duration in ms for the verdicts `quarantined` and `clock difference`: see `EXPLANATIONS`. It is 0 for all other verdicts.
 * - The latest expiry of any reservation, in Unix ms.
 */
const RESERVE = new Script(`${MARKER_PRELUDE}
local marker = redis.call('HMGET', KEYS[1], 'epoch', 'fence_ms', 'ahead_ms', 'seen_ms', 'usual_ms')
if marker[1] ~= ARGV[1] then return {'epoch ended', 0, 0} end
local expires_at, latest, seen = tonumber(ARGV[2]), tonumber(marker[3]), tonumber(marker[4])
local difference = tonumber(ARGV[3]) - now
if math.abs(difference) > tonumber(ARGV[4]) then
  if now > seen then redis.call('HSET', KEYS[1], 'seen_ms', text(now)) end
  return {'clock difference', difference, latest}
end
local quarantine_end = quarantine_end_at(tonumber(marker[2]), seen, latest, tonumber(marker[5]))
if redis.call('EXISTS', KEYS[2]) == 1 then return {'replayed', 0, latest} end
if expires_at <= quarantine_end then return {'quarantined', quarantine_end - expires_at, latest} end
if expires_at <= now then return {'expired', 0, latest} end
redis.call('SET', KEYS[2], '', 'PXAT', text(expires_at))
if expires_at > latest then
  latest = expires_at + ${EXPIRY_STEP_MS}
  redis.call('HSET', KEYS[1], 'ahead_ms', text(latest))
end
return {'fresh', 0, latest}
`);

/**
 * Reservations in Redis, shared by all gateways. `reserve` runs one atomic script in one round trip. If the script cannot prove
 * that a request is new, the request is refused as `REPLAY_STORE_UNAVAILABLE`.
 *
 * - A reservation expires at request timestamp + freshness window + margin, on the clock of the Redis server. The reservation
 *   outlives the freshness window on every gateway whose clock differs from the server's clock by at most the margin.
 * - A gateway whose clock differs by more than the margin refuses requests.
 * - If the reservation of a request may be lost, the request is refused (see `StoreEpoch`).
 * - If Redis stores a reservation but the reply to the gateway is lost, the reservation stays. A retry of the same request is then
 *   refused as replayed.
 */
export class RedisReplayStore implements ReplayStore {
  readonly #link: RedisLink;
  readonly #epoch: StoreEpoch;
  readonly #clock: Clock;
  readonly #keyPrefix: string;
  readonly #marginMs: string;

  constructor(link: RedisLink, epoch: StoreEpoch, clock: Clock, { prefix, marginMs }: RedisReplayOptions) {
    this.#link = link;
    this.#epoch = epoch;
    this.#clock = clock;
    this.#keyPrefix = `${prefix}request`;
    this.#marginMs = String(marginMs);
  }

  async reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): Promise<boolean> {
    const { id: epochId, markerKey } = this.#epoch;
    const keys = [markerKey, hashedKey(this.#keyPrefix, deviceSessionId, requestId)];
    const args = [epochId, String(expiresAtMs), String(this.#clock.now()), this.#marginMs];
    const { verdict, detailMs, latestExpiryMs } = parseReply(await RESERVE.run(this.#link.call, keys, args).catch(unavailable));
    this.#epoch.noteExpiry(latestExpiryMs);
    if (verdict === "fresh") return true;
    if (verdict === "replayed") return false;
    // If the epoch id changed during this call, the gateway has already joined the new epoch. The connection then needs no reset.
    if (verdict === "epoch ended" && epochId === this.#epoch.id) this.#link.reset("the server lost its memory");
    throw refusalOf(verdict, detailMs);
  }
}

function unavailable(cause: unknown): never {
  throw refuse("REPLAY_STORE_UNAVAILABLE", { cause });
}

function parseReply(reply: unknown) {
  if (!Array.isArray(reply)) return malformed();
  const [verdict, detailMs, latestExpiryMs]: unknown[] = reply;
  if (typeof verdict !== "string" || typeof detailMs !== "number" || typeof latestExpiryMs !== "number") return malformed();
  return { verdict, detailMs, latestExpiryMs };
}

function malformed(): never {
  return unavailable(new RedisUnavailable("the reply to the reservation script is malformed"));
}

function refusalOf(verdict: string, detailMs: number): Refusal {
  const cause = new RedisUnavailable(EXPLANATIONS[verdict]?.(detailMs) ?? verdict);
  return refuse("REPLAY_STORE_UNAVAILABLE", verdict === "quarantined" ? { cause, retryAfterMs: detailMs + 1 } : { cause });
}

const EXPLANATIONS: Readonly<Record<string, (detailMs: number) => string>> = {
  "epoch ended": () => "the server lost its memory",
  "clock difference": (ms) => `the gateway's clock and the server's clock differ by ${ms} ms, more than the allowed margin`,
  quarantined: (ms) =>
    `the server may have lost this request's reservation; a request that is signed ${ms} ms later is accepted`,
  expired: () => "the reservation would already be expired",
};
