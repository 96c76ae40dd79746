import { timerMs } from "./timer-ms.ts";

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

/** A signal that aborts after a time. It replaces `AbortSignal.timeout`, which React Native lacks. */
export interface TimeoutSignal {
  readonly signal: AbortSignal;
  /** Stops the timer. Call it after use. */
  stop(): void;
}

export function timeoutSignal(ms: number): TimeoutSignal {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("the operation timed out")), timerMs(ms));
  return { signal: controller.signal, stop: () => clearTimeout(timer) };
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
