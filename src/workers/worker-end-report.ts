import type { Log } from "../core/telemetry.ts";
import type { WorkerLink } from "./worker-link.ts";
import type { WorkerEnd } from "./worker-process.ts";

/** Maximum number of characters of a start problem in `/readyz`. */
const PROBLEM_CHARS_MAX = 300;

export interface EndReport {
  /** Why the worker did not start; `undefined` if it had started. */
  readonly problem: string | undefined;
  /** Time until the next start, in ms. */
  readonly retryInMs: number;
}

/** Logs why a worker must be started again. A kill by this process is not logged as the signal of a crash. */
export function logWorkerEnd(log: Log, link: WorkerLink, end: WorkerEnd, { problem, retryInMs }: EndReport): void {
  const { index: worker, killedBecause } = link;
  const how = killedBecause === undefined ? { exit_code: end.exitCode ?? undefined, signal: end.signal } : {};
  const retry = { retry_in_ms: Math.round(retryInMs) };
  if (problem === undefined) {
    const stderr = end.stderr || undefined;
    log.error("worker ended unexpectedly", { worker, ...how, killed_because: killedBecause, stderr, ...retry });
    return;
  }
  log.error("worker restart failed", { worker, problem, ...how, ...retry });
}

/** Returns a problem as one line for `/readyz`. */
export function oneLine(problem: string): string {
  const line = problem
    .split("\n")
    .map((each) => each.trim())
    .filter((each) => each !== "")
    .join("; ");
  return line.length <= PROBLEM_CHARS_MAX ? line : `${line.slice(0, PROBLEM_CHARS_MAX).toWellFormed()}…`;
}
