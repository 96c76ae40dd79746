import { type Clock, systemClock } from "../core/clock.ts";
import type { BatchedLog } from "../observe/log.ts";

/**
 * Time after the first stop signal during which other stop signals are ignored, in ms. If Ctrl-C is pressed under `bun run`, the same
 * signal arrives twice: once from the terminal, and once forwarded by `bun run`.
 */
const SAME_STOP_MS = 1000;

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Resolves to the first stop signal. If another stop signal arrives more than `SAME_STOP_MS` later, the process exits immediately. */
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

/** Handles a stop signal that arrives before the gateway has started. Resolves to the exit code of the process. */
export async function abortStart(signal: NodeJS.Signals, log: BatchedLog): Promise<number> {
  log.info("gateway start aborted", { signal });
  await log.flush();
  return 0;
}

/**
 * Handles SIGHUP, which reloads the configuration. Create it when the process starts, because an unhandled SIGHUP ends the process. If a
 * SIGHUP arrives before the call of `start`, `start` handles it.
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

  /** Calls `reload` for each SIGHUP from now on. Also calls `reload` immediately if a SIGHUP arrived before this call. */
  start(reload: () => void): void {
    this.#reload = reload;
    if (this.#isPending) reload();
    this.#isPending = false;
  }
}
