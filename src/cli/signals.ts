import { type Clock, systemClock } from "../core/clock.ts";
import type { BatchedLog } from "../observe/log.ts";

/**
 * Under `bun run`, a signal to the process group arrives twice: from the group, and forwarded by `bun run`. So signals within this time
 * are one request to stop. A later signal requests an immediate exit.
 */
const SAME_STOP_MS = 1000;

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Resolves with the first signal. A signal more than a second later exits the process immediately. */
export function stopSignal(
  signals: readonly StopSignal[] = ["SIGTERM", "SIGINT"],
  clock: Clock = systemClock,
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (firstAtMs !== undefined && clock.monotonic() - firstAtMs > SAME_STOP_MS) process.exit(1);
      firstAtMs ??= clock.monotonic();
      resolve(signal);
    };
    for (const signal of signals) process.on(signal, onSignal);
  });
}

/** Handles a stop signal that arrives before the gateway has started. Returns the exit code. */
export async function abortStart(signal: NodeJS.Signals, log: BatchedLog): Promise<number> {
  log.info("gateway start aborted", { signal });
  await log.flush();
  return 0;
}

/**
 * Handles SIGHUP from the start of the process, because an unhandled SIGHUP would end it. A signal that arrives before `start` is kept
 * pending.
 */
export class ReloadSignals {
  #reload: (() => void) | undefined;
  #isPending = false;

  constructor() {
    process.on("SIGHUP", () => {
      if (this.#reload === undefined) this.#isPending = true;
      else this.#reload();
    });
  }

  /** Calls `reload` for each signal from now on, and immediately if a signal is pending. */
  start(reload: () => void): void {
    this.#reload = reload;
    if (this.#isPending) reload();
    this.#isPending = false;
  }
}
