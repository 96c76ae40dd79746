import { Backoff } from "../../core/backoff.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { RELEASE } from "./answer-scripts.ts";
import type { RedisLink } from "./link.ts";
import { rethrowUnlessUnavailable } from "./redis-call.ts";

export interface LateRelease {
  /** The Redis key of the claim. */
  readonly key: string;
  readonly token: string;
  /** The end of the claim's lease, on the monotonic clock. */
  readonly leaseEndMs: number;
}

/** Bounds of the delays between two attempts to release all claims, in ms. */
const RETRY_MS = { minMs: 50, maxMs: 1000 } as const;
/** Maximum number of claims that wait for their release. A further claim is not released. It ends when its lease ends. */
const PENDING_MAX = 16_384;

/**
 * Claims that could not be released because Redis was unavailable. They are released when Redis is available again, because an
 * unreleased claim blocks its command until its lease ends.
 */
export class LateReleases {
  readonly #link: RedisLink;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #random: () => number;
  readonly #closing: AbortSignal;
  readonly #pending = new Set<LateRelease>();
  #isRunning = false;

  constructor(link: RedisLink, clock: Pick<Clock, "monotonic">, random: () => number, closing: AbortSignal) {
    this.#link = link;
    this.#clock = clock;
    this.#random = random;
    this.#closing = closing;
  }

  add(release: LateRelease): void {
    if (this.#pending.size >= PENDING_MAX) return;
    this.#pending.add(release);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const backoff = new Backoff({ ...RETRY_MS, random: this.#random });
    while (this.#pending.size > 0 && !this.#closing.aborted) {
      await sleep(backoff.nextMs(), this.#closing);
      await this.#releaseAll().catch(rethrowUnlessUnavailable);
    }
    this.#isRunning = false;
  }

  /** Releases the claims one after the other. Stops and rejects if a release fails. */
  async #releaseAll(): Promise<void> {
    for (const release of this.#pending) {
      const { key, token, leaseEndMs } = release;
      if (this.#clock.monotonic() < leaseEndMs) await RELEASE.run(this.#link.call, [key], [token]);
      this.#pending.delete(release);
    }
  }
}
