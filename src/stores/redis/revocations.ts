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

  /** The memory of Redis is another: whatever it holds of these was announced since. */
  beginAnew(): void {
    if (this.#last !== undefined) this.#last = "0-0";
  }

  /** Throws `RedisUnavailable`. */
  async announce(call: RedisCall, { userId = "", deviceSessionId = "" }: Revocation): Promise<void> {
    const fields = ["origin", this.#origin, "user", userId, "session", deviceSessionId];
    await call("XADD", [this.#key, "MAXLEN", "~", String(KEPT), "*", ...fields]);
  }

  /** What others announced since the last time, oldest first; nothing the first time. Throws `RedisUnavailable`. */
  async news(call: RedisCall): Promise<readonly Revocation[]> {
    if (this.#last === undefined) {
      const newest = entriesOf(await call("XREVRANGE", [this.#key, "+", "-", "COUNT", "1"]));
      this.#last = newest[0]?.id ?? "0-0";
      return [];
    }
    const entries = entriesOf(await call("XRANGE", [this.#key, `(${this.#last}`, "+", "COUNT", String(READ_AT_ONCE)]));
    this.#last = entries.at(-1)?.id ?? this.#last;
    const others = entries.filter(({ fields }) => fields.origin !== this.#origin);
    return others.map(({ fields: { user, session } }) => ({ userId: user, deviceSessionId: session }));
  }
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
