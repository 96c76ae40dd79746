/**
 * A signal that aborts when one of several signals aborts. It replaces `AbortSignal.any`, which Node 20.0 and Safari before
 * 17.4 lack.
 */
export interface LinkedSignal {
  /** Aborts when one of the given signals aborts, with the same reason. */
  readonly signal: AbortSignal;
  /** Removes the listeners from the given signals. Call it after use, because the given signals may live much longer. */
  unlink(): void;
}

export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const followed = signals.filter((signal) => signal !== undefined);
  const controller = new AbortController();
  const follow = () => {
    const aborted = followed.find((signal) => signal.aborted);
    if (aborted !== undefined) controller.abort(aborted.reason);
  };
  for (const signal of followed) signal.addEventListener("abort", follow);
  follow();
  return {
    signal: controller.signal,
    unlink() {
      for (const signal of followed) signal.removeEventListener("abort", follow);
    },
  };
}
