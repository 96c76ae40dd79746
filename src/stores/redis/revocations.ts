import type { Revocation } from "../../core/ports.ts";
import type { RedisCall } from "./connection.ts";
import { RedisUnavailable } from "./unavailable.ts";

export interface RedisRevocationsOptions {
  readonly prefix: string;
  /** Tells this gateway's own revocations from those of others. */
  readonly origin: string;
}

/** As many as an operator makes while a gateway is out of reach; the oldest go first. */
const KEPT = 10_000;
const READ_AT_ONCE = 1000;
/** Before every entry. */
const NONE = "0-0";

/** What operators revoke at one gateway, for all others: a stream in Redis, which each reads on from where it was. */
export class RedisRevocations {
  readonly #key: string;
  readonly #origin: string;
  /** The id of the last entry that was read. */
  #last: string | undefined;

  constructor({ prefix, origin }: RedisRevocationsOptions) {
    this.#key = `${prefix}revocations`;
    this.#origin = origin;
  }

  /**
   * To be called with each connection. What was announced before the first is no news; and where Redis has lost what was read last, its
   * ids begin anew, and so does this. Throws `RedisUnavailable`.
   */
  async connected(call: RedisCall): Promise<void> {
    const [newest] = entriesOf(await call("XREVRANGE", [this.#key, "+", "-", "COUNT", "1"]));
    const id = newest?.id ?? NONE;
    if (this.#last === undefined) this.#last = id;
    else if (isBefore(id, this.#last)) this.#last = NONE;
  }

  /** Throws `RedisUnavailable`. */
  async announce(call: RedisCall, { userId = "", deviceSessionId = "" }: Revocation): Promise<void> {
    const fields = ["origin", this.#origin, "user", userId, "session", deviceSessionId];
    await call("XADD", [this.#key, "MAXLEN", "~", String(KEPT), "*", ...fields]);
  }

  /** What others announced since the last time, oldest first. Throws `RedisUnavailable`. */
  async news(call: RedisCall): Promise<readonly Revocation[]> {
    if (this.#last === undefined) await this.connected(call);
    const entries = entriesOf(await call("XRANGE", [this.#key, `(${this.#last}`, "+", "COUNT", String(READ_AT_ONCE)]));
    this.#last = entries.at(-1)?.id ?? this.#last;
    const others = entries.filter(({ fields }) => fields.origin !== this.#origin);
    return others.map(({ fields: { user, session } }) => ({ userId: user, deviceSessionId: session }));
  }
}

/** Ids of a stream are a time and a number (Redis, "Streams: Entry IDs"). */
function isBefore(id: string, other: string): boolean {
  const [ms = 0, n = 0] = id.split("-").map(Number);
  const [otherMs = 0, otherN = 0] = other.split("-").map(Number);
  return ms < otherMs || (ms === otherMs && n < otherN);
}

interface Entry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

function entriesOf(answer: unknown): Entry[] {
  if (!Array.isArray(answer)) throw new RedisUnavailable("the revocations gave no answer to go by");
  return answer.map((entry: unknown) => {
    if (!Array.isArray(entry)) throw new RedisUnavailable("the revocations gave no answer to go by");
    const [id, flat]: unknown[] = entry;
    const words = Array.isArray(flat) ? flat.map(String) : [];
    const pairs = words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1] ?? ""]] : []));
    return { id: String(id), fields: Object.fromEntries(pairs) };
  });
}
