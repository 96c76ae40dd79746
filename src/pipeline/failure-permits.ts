/** The requests of one failure bucket that are still being checked. */
interface PermitQueue {
  held: number;
  readonly waiting: (() => void)[];
}

/**
 * Counts the tokens of failure buckets that requests hold while they are checked. Without it, concurrent guesses would all pass before
 * the first of them is charged. Only buckets with requests in progress use memory.
 */
export class FailurePermits {
  readonly #queues = new Map<string, PermitQueue>();

  /** The number of a bucket's tokens that are held. */
  held(bucket: string): number {
    return this.#queues.get(bucket)?.held ?? 0;
  }

  acquire(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) this.#queues.set(bucket, { held: tokens, waiting: [] });
    else queue.held += tokens;
  }

  /** Wakes one waiting request per token. If no token is held any more, wakes all, because no later release would wake them. */
  release(bucket: string, tokens: number): void {
    const queue = this.#queues.get(bucket);
    if (queue === undefined) return;
    queue.held -= tokens;
    if (queue.held <= 0) this.#queues.delete(bucket);
    for (const wake of queue.waiting.splice(0, queue.held <= 0 ? queue.waiting.length : tokens)) wake();
  }

  /** Whether tokens of the bucket are held and fewer than `waitingMax` requests wait for them. */
  mayWait(bucket: string, waitingMax: number): boolean {
    const queue = this.#queues.get(bucket);
    return queue !== undefined && queue.waiting.length < waitingMax;
  }

  /** Resolves at a release, after which the caller checks the bucket again. `undefined` unless `mayWait`. */
  nextRelease(bucket: string, waitingMax: number): Promise<void> | undefined {
    const queue = this.#queues.get(bucket);
    if (queue === undefined || queue.waiting.length >= waitingMax) return undefined;
    return new Promise((resolve) => queue.waiting.push(resolve));
  }
}
