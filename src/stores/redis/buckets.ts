import type { BucketDemand, BucketStore, BudgetScope, TakeOutcome } from "../../core/buckets.ts";
import type { LocalBuckets } from "../memory/split-buckets.ts";
import { capacityMs, intervalMs, TICKS_PER_MS } from "../token-bucket.ts";
import { RedisUnavailable } from "./call.ts";
import type { RedisLink } from "./link.ts";
import { hashedKey, Script } from "./script.ts";

export interface RedisBucketOptions {
  readonly prefix: string;
  /** While Redis is unreachable: `refuse` every `take`, or use the gateway's own `local` buckets. */
  readonly onUnavailable: "refuse" | "local";
  /** `server` (default): all gateways use the server's clock. `caller`: tests set the time. */
  readonly clock?: "server" | "caller";
}

/**
 * KEYS: one bucket per demand. ARGV: the time in ticks, or '' for the server's clock; then per demand its interval and capacity in ticks,
 * and '1' if it is in shadow mode.
 *
 * A bucket is stored as the time at which it is full again (GCRA), and its key expires then. Returns, in ticks: the 1-based index of the
 * demand that refused first, or 0; the wait until every bucket has a token; and for each demand the time until its bucket is full. That
 * time `t` is returned as `-1 - t` if the demand is in shadow mode and its bucket was empty.
 *
 * After the clock was set back, a bucket's time may lie beyond that of an empty bucket. It is then stored as empty, even if no token is
 * taken. With the caller's clock, which may stand still, keys outlive their time by a minute.
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

/** `TAKE` needs at least one key. */
type Demands = readonly [BucketDemand, ...BucketDemand[]];

/** Retry delay of refusals while Redis is unreachable. */
const UNAVAILABLE_RETRY_MS = 1000;

/**
 * Token buckets in Redis, shared by all gateways. One atomic script takes all budgets of a request, in one round trip, on the server's
 * clock.
 *
 * `check` costs no round trip. It reads a local copy of the bucket, which each `take` and `spend` of this gateway updates. It never
 * refuses earlier than the shared bucket would. If other gateways emptied the bucket since, `check` passes until the next update.
 */
export class RedisBucketStore implements BucketStore {
  readonly #link: RedisLink;
  readonly #local: LocalBuckets;
  readonly #options: RedisBucketOptions;

  /** `local` keeps this gateway's copies of the shared buckets. */
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
      if (!(error instanceof RedisUnavailable)) throw error;
      if (this.#options.onUnavailable === "local") return this.#local.take(demands, nowMs, onShadowRefusal);
      const refusing = demands.find(({ budget }) => budget.shadow !== true);
      return refusing === undefined || { refusedBy: refusing.scope, retryAfterMs: UNAVAILABLE_RETRY_MS, cause: error };
    }
  }

  /**
   * Sent as shadow-mode demands, because those are spent independently of each other. While Redis is unreachable, the local buckets are
   * spent whatever `onUnavailable` says: `spend` records what has happened and refuses nothing.
   */
  async spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): Promise<void> {
    const [first, ...others] = [demands].flat().map((demand) => ({ ...demand, budget: { ...demand.budget, shadow: true } }));
    if (first === undefined) return;
    try {
      await this.#takeShared([first, ...others], nowMs);
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error;
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
  /** Index of the demand that refused first. */
  readonly refused: number | undefined;
  readonly wait: number;
  readonly fullIn: readonly number[];
}

/** Throws on a malformed reply: it must not count as granted. */
function parseReply(reply: unknown, demands: number): TakeReply {
  if (!Array.isArray(reply) || reply.length !== demands + 2 || !reply.every((each) => typeof each === "number")) {
    throw new RedisUnavailable("the reply to a bucket take is malformed");
  }
  const [first = 0, wait = 0, ...fullIn]: number[] = reply;
  return { refused: first === 0 ? undefined : first - 1, wait, fullIn };
}
