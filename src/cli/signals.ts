import { type Clock, systemClock } from "../core/clock.ts";
import type { BatchedLog } from "../observe/log.ts";

/**
 * After the first stop signal, further stop signals are ignored for this time, in ms. Under `bun run`, Ctrl-C sends two signals:
 * one comes from the terminal, and `bun run` forwards another.
 */
const SAME_STOP_MS = 1000;

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Resolves to the first stop signal. If another one arrives more than `SAME_STOP_MS` later, the process exits immediately. */
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

/** The signals that are held from the start of the process until the gateway runs. */
export interface HeldSignals {
  /** SIGHUP: reload the configuration. */
  readonly reloads: HeldSignal;
  /** SIGUSR2: replace the process. */
  readonly upgrades: HeldSignal;
}

export function holdSignals(): HeldSignals {
  return { reloads: new HeldSignal("SIGHUP"), upgrades: new HeldSignal("SIGUSR2") };
}

/**
 * Handles a signal that ends the process by default. Create the handler when the process starts. If the signal arrives before
 * the call of `start`, `start` handles it.
 */
export class HeldSignal {
  #handle: (() => void) | undefined;
  #isPending = false;

  constructor(signal: NodeJS.Signals) {
    process.on(signal, () => {
      if (this.#handle === undefined) this.#isPending = true;
      else this.#handle();
    });
  }

  /** Calls `handle` for each signal from now on. If a signal has already arrived, also calls `handle` immediately. */
  start(handle: () => void): void {
    this.#handle = handle;
    if (this.#isPending) handle();
    this.#isPending = false;
  }
}
