import { Backoff } from "../../core/backoff.ts";
import { sleep } from "../../core/clock.ts";
import type { RedisLink } from "./link.ts";
import { rethrowUnlessUnavailable } from "./redis-call.ts";

/**
 * Bounds of the delays between two polls of a claim, in ms. A waiting request notices the end of the claim at most `maxMs` and
 * one round trip later.
 */
const POLL_MS = { minMs: 20, maxMs: 200 } as const;

/**
 * Waits for the end of claims that other gateways hold. Each claim is polled with one command at a time, even if many requests
 * wait for this claim.
 */
export class ClaimWatch {
  readonly #link: RedisLink;
  readonly #random: () => number;
  readonly #closing: AbortSignal;
  readonly #polls = new Map<string, Promise<undefined>>();

  constructor(link: RedisLink, random: () => number, closing: AbortSignal) {
    this.#link = link;
    this.#random = random;
    this.#closing = closing;
  }

  /** Resolves when the claim with this Redis key and this token has ended, or when Redis is unavailable. */
  end(key: string, token: string): Promise<undefined> {
    const name = `${key} ${token}`;
    const running = this.#polls.get(name) ?? this.#poll(key, token).finally(() => this.#polls.delete(name));
    this.#polls.set(name, running);
    return running;
  }

  async #poll(key: string, token: string): Promise<undefined> {
    const backoff = new Backoff({ ...POLL_MS, random: this.#random });
    try {
      do await sleep(backoff.nextMs(), this.#closing);
      while (!this.#closing.aborted && (await this.#isHeld(key, token)));
    } catch (error) {
      rethrowUnlessUnavailable(error);
    }
  }

  async #isHeld(key: string, token: string): Promise<boolean> {
    const reply = await this.#link.call("HMGET", [key, "token"]);
    return Array.isArray(reply) && reply[0] === token;
  }
}
