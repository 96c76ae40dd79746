import type { Revocation } from "../../core/sessions.ts";
import { type RedisCall, RedisUnavailable } from "./redis-call.ts";

export interface RedisRevocationsOptions {
  readonly prefix: string;
  /** Identifies this gateway, so that `poll` skips the revocations that this gateway announced. */
  readonly origin: string;
}

/**
 * Approximate maximum number of entries in the Redis stream. Redis removes the oldest entries. If operators make more revocations
 * than this number while a gateway is disconnected, the gateway misses some of them.
 */
const ENTRIES_MAX = 10_000;
const ENTRIES_PER_POLL = 1000;
/** An entry id that is lower than the id of every entry. */
const START_ID = "0-0";

/**
 * Shares the revocations of operators between gateways, through a Redis stream. A revocation that is made at one gateway reaches
 * all other gateways.
 */
export class RedisRevocations {
  readonly #key: string;
  readonly #origin: string;
  /** The id of the last entry that this gateway has read or skipped; `undefined` before the first connection. */
  #lastId: string | undefined;

  constructor({ prefix, origin }: RedisRevocationsOptions) {
    this.#key = `${prefix}revocations`;
    this.#origin = origin;
  }

  /**
   * Finds the entry after which `poll` reads. Call this once on each connection. Rejects with `RedisUnavailable`.
   *
   * - The first call skips all existing entries.
   * - Later calls compare the id of the newest entry with the id of the entry that was read last. If the newest id is lower, Redis
   *   has lost entries. `poll` then reads the stream from its start.
   */
  async connected(call: RedisCall): Promise<void> {
    const [newest] = entriesOf(await call("XREVRANGE", [this.#key, "+", "-", "COUNT", "1"]));
    const id = newest?.id ?? START_ID;
    if (this.#lastId === undefined) this.#lastId = id;
    else if (isBefore(id, this.#lastId)) this.#lastId = START_ID;
  }

  /** Appends a revocation to the Redis stream. Rejects with `RedisUnavailable`. */
  async announce(call: RedisCall, { userId = "", deviceSessionId = "" }: Revocation): Promise<void> {
    const fields = ["origin", this.#origin, "user", userId, "session", deviceSessionId];
    await call("XADD", [this.#key, "MAXLEN", "~", String(ENTRIES_MAX), "*", ...fields]);
  }

  /**
   * Returns the revocations that other gateways announced since the last poll, oldest first. Rejects with `RedisUnavailable`.
   */
  async poll(call: RedisCall): Promise<readonly Revocation[]> {
    if (this.#lastId === undefined) await this.connected(call);
    const entries = entriesOf(await call("XRANGE", [this.#key, `(${this.#lastId}`, "+", "COUNT", String(ENTRIES_PER_POLL)]));
    this.#lastId = entries.at(-1)?.id ?? this.#lastId;
    const others = entries.filter(({ fields }) => fields["origin"] !== this.#origin);
    return others.map(({ fields: { user, session } }) => ({ userId: user, deviceSessionId: session }));
  }
}

/**
 * Whether the entry id `id` is lower than the entry id `other`. An entry id has the format `<ms>-<number>` (Redis, "Streams",
 * "Entry IDs").
 */
function isBefore(id: string, other: string): boolean {
  const [ms = 0, n = 0] = id.split("-").map(Number);
  const [otherMs = 0, otherN = 0] = other.split("-").map(Number);
  return ms < otherMs || (ms === otherMs && n < otherN);
}

interface Entry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

function entriesOf(reply: unknown): Entry[] {
  if (!Array.isArray(reply)) throw malformedReply();
  return reply.map((entry: unknown) => {
    if (!Array.isArray(entry)) throw malformedReply();
    const [id, flat]: unknown[] = entry;
    const words = Array.isArray(flat) ? flat.map(String) : [];
    const pairs = words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1] ?? ""]] : []));
    return { id: String(id), fields: Object.fromEntries(pairs) };
  });
}

function malformedReply(): RedisUnavailable {
  return new RedisUnavailable("the reply to the revocation poll is malformed");
}
