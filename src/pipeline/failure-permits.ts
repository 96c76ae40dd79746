/** The tokens of one failure bucket that are held, and the requests that wait for such tokens. */
interface PermitQueue {
  held: number;
  readonly waiting: (() => void)[];
}

/**
 * Counts the tokens of failure buckets that requests hold while they are checked. Without this count, many concurrent guesses
 * would pass before the first guess is charged. Only buckets with requests in progress use memory.
 */
export class FailurePermits {
  readonly #queues = new Map<string, PermitQueue>();

  /** Returns the number of tokens of a bucket that requests hold. */
  held(bucket: string): number {
    return this.#queues.get(bucket)?.held ?? 0;
  }

  acquire(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) this.#queues.set(bucket, { held: tokens, waiting: [] });
    else queue.held += tokens;
  }

  /**
   * Frees held tokens of a bucket and wakes one waiting request per token. If no token is held any more, wakes all waiting
   * requests, because no later release would wake them.
   */
  release(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) return;
    queue.held -= tokens;
    if (queue.held <= 0) this.#queues.delete(bucket);
    for (const wake of queue.waiting.splice(0, queue.held <= 0 ? queue.waiting.length : tokens)) wake();
  }

  /**
   * Whether a request may wait for a token: tokens of the bucket are held, and fewer than `waitingMax` requests wait for them.
   */
  mayWait(bucket: string, waitingMax: number): boolean {
    const queue = this.#queues.get(bucket);
    return queue !== undefined && queue.waiting.length < waitingMax;
  }

  /**
   * Adds a request to those that wait for a held token of the bucket. The promise resolves when a token is released; the caller
   * must then check the bucket again. Returns `undefined` if the request may not wait (see `mayWait`).
   */
  nextRelease(bucket: string, waitingMax: number): Promise<void> | undefined {
    const queue = this.#queues.get(bucket);
    if (queue === undefined || queue.waiting.length >= waitingMax) return undefined;
    return new Promise((resolve) => queue.waiting.push(resolve));
  }
}
