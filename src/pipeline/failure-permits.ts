/** The requests of one failure bucket of which it is not known yet whether they fail. */
interface Line {
  held: number;
  readonly waiting: (() => void)[];
}

/**
 * Tokens of failure buckets that are spoken for: each request under way whose caller is not verified yet holds one,
 * so that any number of guesses at once are no better than one after the other. Only buckets with requests under way are kept.
 */
export class FailurePermits {
  readonly #lines = new Map<string, Line>();

  /** How many of a bucket's tokens are held. */
  held(bucket: string): number {
    return this.#lines.get(bucket)?.held ?? 0;
  }

  acquire(bucket: string, tokens: number): void {
    const line = this.#lines.get(bucket);
    if (line === undefined) this.#lines.set(bucket, { held: tokens, waiting: [] });
    else line.held += tokens;
  }

  /** Lets the next in line look again, one for each token; all of them where nobody is left who would wake them. */
  release(bucket: string, tokens: number): void {
    const line = this.#lines.get(bucket);
    if (line === undefined) return;
    line.held -= tokens;
    if (line.held <= 0) this.#lines.delete(bucket);
    for (const wake of line.waiting.splice(0, line.held <= 0 ? line.waiting.length : tokens)) wake();
  }

  /** Whether tokens are held that may come back, and fewer wait for them already than may. */
  mayWait(bucket: string, waitingMax: number): boolean {
    const line = this.#lines.get(bucket);
    return line !== undefined && line.waiting.length < waitingMax;
  }

  /** Resolves when it is worth looking again; `undefined` where nothing is held, or as many wait already as may. */
  nextRelease(bucket: string, waitingMax: number): Promise<void> | undefined {
    const line = this.#lines.get(bucket);
    if (line === undefined || line.waiting.length >= waitingMax) return undefined;
    return new Promise((resolve) => line.waiting.push(resolve));
  }
}
