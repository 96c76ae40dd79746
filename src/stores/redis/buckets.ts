import type { BucketDemand, BucketStore, BudgetScope, TakeOutcome } from "../../core/buckets.ts";
import type { LocalBuckets } from "../memory/split-buckets.ts";
import { capacityMs, intervalMs, TICKS_PER_MS } from "../token-bucket.ts";
import type { RedisLink } from "./link.ts";
import { RedisUnavailable, rethrowUnlessUnavailable } from "./redis-call.ts";
import { hashedKey, Script } from "./script.ts";

export interface RedisBucketOptions {
  readonly prefix: string;
  /**
   * What `take` does while Redis is unreachable:
   *
   * - `refuse`: it refuses the request.
   * - `local`: it takes the tokens from this gateway's local copies of the buckets.
   */
  readonly onUnavailable: "refuse" | "local";
  /**
   * The clock that the script `TAKE` uses:
   *
   * - `server` (default): the clock of the Redis server, which is the same for all gateways.
   * - `caller`: the parameter `nowMs`, so that tests can set the time.
   */
  readonly clock?: "server" | "caller";
}

/**
 * Takes one token for each demand of a request, or refuses the request. A demand names one bucket. All times are in ticks: 1024
 * ticks are 1 ms.
 *
 * KEYS: one bucket per demand. ARGV: the time in ticks ('' for the server's clock), then three values per demand:
 * - The ticks in which its bucket gains one token.
 * - The ticks in which an empty bucket gains all its tokens.
 * - '1' if the demand is in shadow mode, '0' if not. A demand in shadow mode is never refused.
 *
 * Returns these numbers:
 * - The 1-based index of the first refused demand; 0 if no demand was refused.
 * - The ticks until all demands can be met; 0 if they were met.
 * - For each demand: `t`, the ticks until its bucket has all its tokens. Exception: `-1 - t` if the demand is in shadow mode and
 *   its bucket was empty.
 *
 * A bucket is stored as the time at which it has all its tokens again (generic cell rate algorithm). Its key expires at that time.
 * With the caller's clock, the key expires one minute later (`slack_ms`), because this clock may stand still in a test.
 *
 * If the clock was set back, the stored time may be later than the time at which an empty bucket has all its tokens. Such a bucket
 * is treated as empty. The script stores the corrected time, even if it takes no token.
 */
const TAKE = new Script(`
local now, slack_ms = tonumber(ARGV[1]), 60000
if not now then
  local time = redis.call('TIME')
  now, slack_ms = time[1] * 1024000 + math.floor(time[2] * 1.024), 0
end
local stored = redis.call('MGET', unpack(KEYS))
local was, before, after, empty = {}, {}, {}, {}
local refused, wait = 0, 0
local function interval_of(i) return tonumber(ARGV[3 * i - 1]) end
local function capacity_of(i) return tonumber(ARGV[3 * i]) end
local function is_shadow(i) return ARGV[3 * i + 1] == '1' end
for i, key in ipairs(KEYS) do
  if not after[key] then
    was[key] = tonumber(stored[i] or now)
    before[key] = math.min(was[key], now + capacity_of(i))
    after[key] = before[key]
  end
  if not is_shadow(i) then
    after[key] = math.max(after[key], now) + interval_of(i)
    local short = after[key] - capacity_of(i) - now
    if short > 0 and refused == 0 then refused = i end
    wait = math.max(wait, short)
  end
end
for i, key in ipairs(KEYS) do
  if is_shadow(i) and refused == 0 then
    local full_at = math.max(after[key], now) + interval_of(i)
    if full_at - capacity_of(i) > now then empty[i] = true else after[key] = full_at end
  end
end
local full_at = refused == 0 and after or before
local reply = {refused, wait}
for i, key in ipairs(KEYS) do
  local in_ticks = math.max(0, full_at[key] - now)
  if full_at[key] ~= was[key] then
    redis.call('SET', key, string.format('%.0f', full_at[key]), 'PX', string.format('%.0f', math.ceil(in_ticks / 1024) + slack_ms))
    was[key] = full_at[key]
  end
  reply[i + 2] = empty[i] and -1 - in_ticks or in_ticks
end
return reply
`);

/** The demands of one `TAKE`. At least one, because the script needs at least one key. */
type Demands = readonly [BucketDemand, ...BucketDemand[]];

/** Retry delay of a refusal while Redis is unreachable, in ms. */
const UNAVAILABLE_RETRY_MS = 1000;

/**
 * Token buckets in Redis, shared by all gateways. One atomic script takes the tokens of all demands of a request, in one round
 * trip.
 *
 * `check` reads a local copy of the bucket, so it needs no round trip. Only this gateway's `take` and `spend` update the copy.
 * So `check` may pass although other gateways have emptied the shared bucket.
 */
export class RedisBucketStore implements BucketStore {
  readonly #link: RedisLink;
  readonly #local: LocalBuckets;
  readonly #options: RedisBucketOptions;

  /** `local` stores this gateway's copies of the shared buckets. */
  constructor(link: RedisLink, local: LocalBuckets, options: RedisBucketOptions) {
    this.#link = link;
    this.#local = local;
    this.#options = options;
  }

  async take(
    demands: readonly BucketDemand[],
    nowMs: number,
    onShadowRefusal?: (scope: BudgetScope) => void,
  ): Promise<TakeOutcome> {
    const [first, ...others] = demands;
    if (first === undefined) return true;
    try {
      return await this.#takeShared([first, ...others], nowMs, onShadowRefusal);
    } catch (error) {
      rethrowUnlessUnavailable(error);
      if (this.#options.onUnavailable === "local") return this.#local.take(demands, nowMs, onShadowRefusal);
      const refusing = demands.find(({ budget }) => budget.shadow !== true);
      return refusing === undefined || { refusedBy: refusing.scope, retryAfterMs: UNAVAILABLE_RETRY_MS, cause: error };
    }
  }

  /**
   * Takes tokens for what has already happened, such as a failed request. So it refuses no demand: it sends every demand as if
   * its budget were in shadow mode.
   *
   * While Redis is unreachable, spends from the local copies of the buckets, even if `onUnavailable` is `refuse`.
   */
  async spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): Promise<void> {
    const [first, ...others] = [demands].flat().map((demand) => ({ ...demand, budget: { ...demand.budget, shadow: true } }));
    if (first === undefined) return;
    try {
      await this.#takeShared([first, ...others], nowMs);
    } catch (error) {
      rethrowUnlessUnavailable(error);
      this.#local.spend(demands, nowMs);
    }
  }

  check(demand: BucketDemand, nowMs: number, tokens?: number): TakeOutcome {
    return this.#local.check(demand, nowMs, tokens);
  }

  async #takeShared(demands: Demands, nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): Promise<TakeOutcome> {
    const keys = demands.map(({ scope, key }) => hashedKey(`${this.#options.prefix}bucket:${scope}`, scope, key));
    const args = demands.flatMap(({ budget }) => [
      ticks(intervalMs(budget)),
      ticks(capacityMs(budget)),
      budget.shadow === true ? "1" : "0",
    ]);
    const now = this.#options.clock === "caller" ? ticks(nowMs) : "";
    const { refused, wait, fullIn } = parseReply(await TAKE.run(this.#link.call, keys, [now, ...args]), demands.length);
    for (const [index, demand] of demands.entries()) {
      const inTicks = fullIn[index] ?? 0;
      const wasEmptyInShadow = inTicks < 0;
      if (wasEmptyInShadow) onShadowRefusal?.(demand.scope);
      this.#local.learn(demand, (wasEmptyInShadow ? -1 - inTicks : inTicks) / TICKS_PER_MS, nowMs);
    }
    if (refused === undefined) return true;
    return { refusedBy: demands[refused]?.scope ?? demands[0].scope, retryAfterMs: Math.ceil(wait / TICKS_PER_MS) };
  }
}

function ticks(ms: number): string {
  return String(Math.round(ms * TICKS_PER_MS));
}

interface TakeReply {
  /** The 0-based index of the first refused demand; `undefined` if no demand was refused. */
  readonly refused: number | undefined;
  /** The ticks until all demands can be met. */
  readonly wait: number;
  /** For each demand: the ticks until its bucket has all its tokens, encoded as in the reply of `TAKE`. */
  readonly fullIn: readonly number[];
}

/** Throws `RedisUnavailable` if the reply is malformed, because a malformed reply must not count as a granted request. */
function parseReply(reply: unknown, demands: number): TakeReply {
  if (!Array.isArray(reply) || reply.length !== demands + 2 || !reply.every((each) => typeof each === "number")) {
    throw new RedisUnavailable("the reply to the token bucket script is malformed");
  }
  const [first = 0, wait = 0, ...fullIn]: number[] = reply;
  return { refused: first === 0 ? undefined : first - 1, wait, fullIn };
}
