import type { HeldCounts } from "../core/held-counts.ts";

/** Interval at which a waiting request checks for tokens that another process has released, in ms. */
const POLL_MS = 10;

/**
 * Counts, for each failure bucket, the tokens that requests hold while they are checked. Without this count, many concurrent
 * requests could fail before the first failure is charged. The workers of a gateway share the counts.
 */
export class FailurePermits {
  readonly #counts: HeldCounts;
  /** Functions that wake the waiting requests of this process, by bucket. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(counts: HeldCounts) {
    this.#counts = counts;
  }

  /** Returns the number of tokens of the bucket that requests hold. */
  held(bucket: string): number {
    return this.#counts.held(bucket);
  }

  /** Holds tokens of the bucket for a request. Returns false if there is no room to count the tokens. */
  acquire(bucket: string, tokens: number): boolean {
    return this.#counts.tryAdd(bucket, tokens);
  }

  /** Undoes `acquire` for a request that must wait or is refused. Wakes no waiting request. */
  giveBack(bucket: string, tokens: number): void {
    this.#counts.remove(bucket, tokens);
  }

  /**
   * Releases held tokens of a bucket and wakes one waiting request for each token. If no request holds a token of the bucket
   * any more, wakes all waiting requests, because no later release would wake them.
   */
  release(bucket: string, tokens: number): void {
    this.#counts.remove(bucket, tokens);
    const waiting = this.#waiting.get(bucket);
    if (waiting === undefined) return;
    const woken = waiting.splice(0, this.held(bucket) <= 0 ? waiting.length : tokens);
    if (waiting.length === 0) this.#waiting.delete(bucket);
    for (const wake of woken) wake();
  }

  /**
   * Returns whether a request may wait for a token of the bucket. It may wait if other requests hold tokens of the bucket, and
   * if fewer than `waitingMax` requests of this process already wait.
   */
  mayWait(bucket: string, waitingMax: number): boolean {
    return (this.#waiting.get(bucket)?.length ?? 0) < waitingMax && this.held(bucket) > 0;
  }

  /**
   * Makes a request wait for a token of the bucket. The promise resolves when a token may have been released. The caller must
   * then check the bucket again. Returns `undefined` if the request may not wait (see `mayWait`).
   */
  nextRelease(bucket: string, waitingMax: number): Promise<void> | undefined {
    if (!this.mayWait(bucket, waitingMax)) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(bucket) ?? [];
    waiting.push(resolve);
    this.#waiting.set(bucket, waiting);
    if (this.#counts.isShared) setTimeout(() => this.#stopWaiting(bucket, resolve), POLL_MS);
    return promise;
  }

  #stopWaiting(bucket: string, resolve: () => void): void {
    const waiting = this.#waiting.get(bucket);
    const at = waiting?.indexOf(resolve) ?? -1;
    if (waiting === undefined || at < 0) return;
    waiting.splice(at, 1);
    if (waiting.length === 0) this.#waiting.delete(bucket);
    resolve();
  }
}
