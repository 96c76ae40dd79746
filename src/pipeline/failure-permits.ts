/**
 * The permits of one failure bucket. `held` is the number of held tokens. Each function in `waiting` wakes one waiting request.
 */
interface PermitQueue {
  held: number;
  readonly waiting: (() => void)[];
}

/**
 * Counts, for each failure bucket, the tokens that requests hold while they are checked. Without this count, many concurrent
 * guesses would pass before the first guess is charged. A bucket uses memory only while requests hold its tokens.
 */
export class FailurePermits {
  readonly #queues = new Map<string, PermitQueue>();

  /** Returns the number of tokens of the bucket that requests hold. */
  held(bucket: string): number {
    return this.#queues.get(bucket)?.held ?? 0;
  }

  acquire(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) this.#queues.set(bucket, { held: tokens, waiting: [] });
    else queue.held += tokens;
  }

  /**
   * Releases held tokens of a bucket and wakes one waiting request for each token. If no request holds a token of the bucket
   * any more, wakes all waiting requests, because no later release would wake them.
   */
  release(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) return;
    queue.held -= tokens;
    if (queue.held <= 0) this.#queues.delete(bucket);
    for (const wake of queue.waiting.splice(0, queue.held <= 0 ? queue.waiting.length : tokens)) wake();
  }

  /**
   * Returns whether a request may wait for a token of the bucket. It may wait if other requests hold tokens of the bucket, and
   * if fewer than `waitingMax` requests already wait.
   */
  mayWait(bucket: string, waitingMax: number): boolean {
    const queue = this.#queues.get(bucket);
    return queue !== undefined && queue.waiting.length < waitingMax;
  }

  /**
   * Makes a request wait for a token of the bucket. The promise resolves when a token is released; the caller must then check
   * the bucket again. Returns `undefined` if the request may not wait (see `mayWait`).
   */
  nextRelease(bucket: string, waitingMax: number): Promise<void> | undefined {
    const queue = this.#queues.get(bucket);
    if (queue === undefined || queue.waiting.length >= waitingMax) return undefined;
    return new Promise((resolve) => queue.waiting.push(resolve));
  }
}
