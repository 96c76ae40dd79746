import type { BucketDemand, BucketStore, BudgetScope, TakeOutcome } from "../../core/ports.ts";
import type { NearBuckets } from "../memory/split-buckets.ts";
import { capacityMs, intervalMs, TICKS_PER_MS } from "../token-bucket.ts";
import { hashedKey } from "./hashed-key.ts";
import type { RedisLink } from "./link.ts";
import { Script } from "./script.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface RedisBucketOptions {
  readonly prefix: string;
  /** While Redis is away: refuse what asks for a token, or let each gateway count by itself. */
  readonly onUnavailable: "refuse" | "local";
  /** `server`, so that all gateways share one clock. `caller` is for tests, which own the time. */
  readonly clock?: "server" | "caller";
}

/**
 * KEYS: the buckets, one a demand. ARGV: now in ticks, or '' for the server's clock; then of each its interval and capacity in ticks, and
 * whether it is in shadow mode. A bucket is the time at which it is full again (GCRA), and its key expires then. Answers the number of
 * the demand that refused first, or 0; how long until all have a token; and for each demand how long until its bucket is full: as -1 less
 * that time where it was in shadow mode and had no token. All in ticks.
 *
 * On a clock that stepped back, a bucket can be emptier than empty: it counts as empty from then on, and is kept so even where nothing is
 * taken. A caller's clock may stand still while the server's goes on, so keys outlive it by a minute.
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
local answer = {refused, wait}
for i, key in ipairs(KEYS) do
  local in_ticks = math.max(0, full_at[key] - now)
  if full_at[key] ~= was[key] then
    redis.call('SET', key, string.format('%.0f', full_at[key]), 'PX', string.format('%.0f', math.ceil(in_ticks / 1024) + slack_ms))
    was[key] = full_at[key]
  end
  answer[i + 2] = empty[i] and -1 - in_ticks or in_ticks
end
return answer
`);

/** At least one. */
type Demands = readonly [BucketDemand, ...BucketDemand[]];

/** When to come back, while Redis is away. */
const AWAY_RETRY_MS = 1000;

/**
 * Token buckets in Redis, shared by all gateways: all budgets of a request in one atomic script, one round trip, on the server's clock.
 *
 * `check` costs no round trip: it answers from what the last `take` of this gateway was told of the bucket. So it never refuses sooner
 * than the shared bucket would; where other gateways have emptied it since, this one learns of that with its next `take`.
 */
export class RedisBucketStore implements BucketStore {
  readonly #link: RedisLink;
  readonly #near: NearBuckets;
  readonly #options: RedisBucketOptions;

  /** `near` holds what this gateway knows of the shared buckets. */
  constructor(link: RedisLink, near: NearBuckets, options: RedisBucketOptions) {
    this.#link = link;
    this.#near = near;
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
      if (!(error instanceof RedisUnavailable)) throw error;
      if (this.#options.onUnavailable === "local") return this.#near.take(demands, nowMs, onShadowRefusal);
      const refusing = demands.find(({ budget }) => budget.shadow !== true);
      return refusing === undefined || { refusedBy: refusing.scope, retryAfterMs: AWAY_RETRY_MS, cause: error };
    }
  }

  /**
   * In shadow mode, buckets are spent each by itself. Nobody asks for permission here, so that while Redis is away this gateway counts by
   * itself, whatever else it then does.
   */
  async spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): Promise<void> {
    const [first, ...others] = [demands].flat().map((demand) => ({ ...demand, budget: { ...demand.budget, shadow: true } }));
    if (first === undefined) return;
    try {
      await this.#takeShared([first, ...others], nowMs);
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error;
      this.#near.spend(demands, nowMs);
    }
  }

  check(demand: BucketDemand, nowMs: number, tokens?: number): TakeOutcome {
    return this.#near.check(demand, nowMs, tokens);
  }

  async #takeShared(demands: Demands, nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): Promise<TakeOutcome> {
    const keys = demands.map(({ scope, key }) => hashedKey(`${this.#options.prefix}bucket:${scope}`, scope, key));
    const args = demands.flatMap(({ budget }) => [
      ticks(intervalMs(budget)),
      ticks(capacityMs(budget)),
      budget.shadow === true ? "1" : "0",
    ]);
    const now = this.#options.clock === "caller" ? ticks(nowMs) : "";
    const { refused, wait, fullIn } = answerOf(await TAKE.run(this.#link.call, keys, [now, ...args]), demands.length);
    for (const [index, demand] of demands.entries()) {
      const inTicks = fullIn[index] ?? 0;
      const wasEmptyInShadow = inTicks < 0;
      if (wasEmptyInShadow) onShadowRefusal?.(demand.scope);
      this.#near.learn(demand, (wasEmptyInShadow ? -1 - inTicks : inTicks) / TICKS_PER_MS, nowMs);
    }
    if (refused === undefined) return true;
    return { refusedBy: demands[refused]?.scope ?? demands[0].scope, retryAfterMs: Math.ceil(wait / TICKS_PER_MS) };
  }
}

function ticks(ms: number): string {
  return String(Math.round(ms * TICKS_PER_MS));
}

interface TakeAnswer {
  /** Index of the demand that refused first. */
  readonly refused: number | undefined;
  readonly wait: number;
  readonly fullIn: readonly number[];
}

/** An answer that is not understood must not be taken for consent. */
function answerOf(answer: unknown, demands: number): TakeAnswer {
  if (!Array.isArray(answer) || answer.length !== demands + 2 || !answer.every((each) => typeof each === "number")) {
    throw new RedisUnavailable("taking budgets gave no answer to go by");
  }
  const [first = 0, wait = 0, ...fullIn]: number[] = answer;
  return { refused: first === 0 ? undefined : first - 1, wait, fullIn };
}
