/** A signal that aborts when one of several signals does. Node 20.0 and Safari before 17.4 lack `AbortSignal.any`. */
export interface LinkedSignal {
  /** Aborts when one of the given signals aborts, with the same reason. */
  readonly signal: AbortSignal;
  /** Removes the listeners from the given signals. Call it at the end, because these signals may live much longer. */
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
