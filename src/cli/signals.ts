import { type Clock, systemClock } from "../core/clock.ts";
import type { BatchedLog } from "../observe/log.ts";

/**
 * A signal to a process group arrives twice under `bun run`, which has it from the group too and forwards it. Within this time it is the
 * same stop, also if it is another signal; whoever has waited longer and asks again does not want to wait.
 */
const SAME_STOP_MS = 1000;

type StopSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Resolves with the first of the signals. One that comes more than a second later ends the process at once. */
export function stopSignal(
  signals: readonly StopSignal[] = ["SIGTERM", "SIGINT"],
  clock: Clock = systemClock,
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (askedAtMs !== undefined && clock.monotonic() - askedAtMs > SAME_STOP_MS) process.exit(1);
      askedAtMs ??= clock.monotonic();
      resolve(signal);
    };
    for (const signal of signals) process.on(signal, onSignal);
  });
}

/** The exit of a command that is told to stop before it is up: there is nothing to finish. */
export async function stoppedEarly(signal: NodeJS.Signals, log: BatchedLog): Promise<number> {
  log.info("gateway start aborted", { signal });
  await log.flush();
  return 0;
}

/** SIGHUP, which ends a process that does not listen to it: from the first moment on, before there is anything to reload. */
export class ReloadSignals {
  #reload: (() => void) | undefined;
  #isPending = false;

  constructor() {
    process.on("SIGHUP", () => {
      if (this.#reload === undefined) this.#isPending = true;
      else this.#reload();
    });
  }

  /** From now on each signal reloads; once at once if one came before. */
  start(reload: () => void): void {
    this.#reload = reload;
    if (this.#isPending) reload();
    this.#isPending = false;
  }
}
