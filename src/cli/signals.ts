import { type Clock, systemClock } from "../core/clock.ts";
import type { BatchedLog } from "../observe/log.ts";

/**
 * Time after the first stop signal in which further stop signals are ignored. `bun run` forwards signals, so a signal to the process group
 * arrives twice.
 */
const SAME_STOP_MS = 1000;

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Resolves with the first signal. A signal more than `SAME_STOP_MS` later exits the process immediately. */
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
 * Handles SIGHUP, which reloads the configuration. Create it when the process starts, because an unhandled SIGHUP ends the process. A SIGHUP
 * before `start` stays pending until `start`.
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

  /** Calls `reload` for each SIGHUP from now on. If a SIGHUP is pending, calls `reload` immediately. */
  start(reload: () => void): void {
    this.#reload = reload;
    if (this.#isPending) reload();
    this.#isPending = false;
  }
}
