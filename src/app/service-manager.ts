import { messageOf } from "../core/cause.ts";
import type { Log } from "../core/telemetry.ts";
import { type NotifySocket, openNotifySocket } from "../transport/linux/notify-socket.ts";

/** The environment variables that the service manager sets (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceVariables {
  /** NOTIFY_SOCKET: the address of the socket for messages to the service manager. */
  readonly notifySocket: string | undefined;
  /** WATCHDOG_USEC: the timeout of the watchdog, in µs. */
  readonly watchdogMicroseconds: string | undefined;
  /** WATCHDOG_PID. If this variable is set, the watchdog watches only the process with this id. */
  readonly watchdogPid: string | undefined;
}

/** Interval of the status check, in ms. A changed status is sent to the service manager. */
const STATUS_INTERVAL_MS = 1000;

/** Minimum interval of the watchdog messages, in ms. More frequent messages would take much CPU time. */
const WATCHDOG_INTERVAL_MS_MIN = 10;
/** Maximum interval of the watchdog messages, in ms. A timer of more than 2³¹ ms would overflow and expire at once. */
const WATCHDOG_INTERVAL_MS_MAX = 3_600_000;

/**
 * Reports the state of the gateway to the service manager (sd_notify(3)). Without NOTIFY_SOCKET, does nothing.
 *
 * The watchdog message comes from a timer of the event loop. So the service manager restarts a gateway whose event loop is
 * blocked.
 */
export class ServiceManager {
  readonly #socket: NotifySocket | undefined;
  readonly #watchdogMs: number | undefined;
  readonly #timers: Timer[] = [];
  #status = "";

  constructor(variables: ServiceVariables, log: Log) {
    this.#socket = openSocket(variables.notifySocket, log);
    this.#watchdogMs = this.#socket === undefined ? undefined : watchdogInterval(variables, log);
  }

  /** Call this when the ports are open. `notReady` returns the reasons why the gateway is not ready. */
  started(notReady: () => readonly string[]): void {
    if (this.#socket === undefined) return;
    this.#status = statusOf(notReady());
    this.#send("READY=1", `STATUS=${this.#status}`);
    this.#every(STATUS_INTERVAL_MS, () => this.#report(statusOf(notReady())));
    if (this.#watchdogMs !== undefined) this.#every(this.#watchdogMs, () => this.#send("WATCHDOG=1"));
  }

  /** Runs `work`, which reloads the configuration. Tells the service manager when the reload starts and ends. */
  async reload<T>(work: () => Promise<T>): Promise<T> {
    // The time of CLOCK_MONOTONIC in µs. The service manager compares it with the time of its reload signal (sd_notify(3)).
    this.#send("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      return await work();
    } finally {
      this.#send("READY=1");
    }
  }

  /** Call this when the stop begins. The watchdog messages go on until the process ends. */
  stopping(): void {
    this.#send("STOPPING=1", "STATUS=Stopping");
  }

  /** Call this when the process `pid` has taken over. From then on, only that process sends messages. */
  replacedBy(pid: number): void {
    this.#send(`MAINPID=${pid}`);
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket?.close();
  }

  #report(status: string): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#send(`STATUS=${status}`);
  }

  #every(intervalMs: number, work: () => void): void {
    this.#timers.push(setInterval(work, intervalMs).unref());
  }

  #send(...lines: string[]): void {
    this.#socket?.send(`${lines.join("\n")}\n`);
  }
}

function openSocket(address: string | undefined, log: Log): NotifySocket | undefined {
  if (address === undefined || address === "") return undefined;
  try {
    return openNotifySocket(address);
  } catch (cause) {
    log.warn("service manager not notified", { cause: messageOf(cause) });
    return undefined;
  }
}

/**
 * Returns the interval of the watchdog messages, in ms. It is half of the watchdog's timeout, but at least
 * `WATCHDOG_INTERVAL_MS_MIN` and at most `WATCHDOG_INTERVAL_MS_MAX`. Returns `undefined` if the watchdog does not watch this
 * process, or if the timeout of the watchdog is invalid.
 */
export function watchdogInterval({ watchdogMicroseconds, watchdogPid }: ServiceVariables, log: Log): number | undefined {
  const isOther = watchdogPid !== undefined && watchdogPid !== String(process.pid);
  if (watchdogMicroseconds === undefined || watchdogMicroseconds === "" || isOther) return undefined;
  const microseconds = /^\d{1,20}$/.test(watchdogMicroseconds) ? Number(watchdogMicroseconds) : 0;
  if (microseconds === 0) {
    log.warn("watchdog not notified", { cause: "WATCHDOG_USEC is not a positive number" });
    return undefined;
  }
  const intervalMs = microseconds / 2000;
  if (intervalMs < WATCHDOG_INTERVAL_MS_MIN) {
    log.warn("watchdog timeout too short", {
      cause: `WATCHDOG_USEC is below ${WATCHDOG_INTERVAL_MS_MIN * 2000}: raise WatchdogSec of the service`,
    });
  }
  return Math.min(Math.max(intervalMs, WATCHDOG_INTERVAL_MS_MIN), WATCHDOG_INTERVAL_MS_MAX);
}

function statusOf(reasons: readonly string[]): string {
  return reasons.length === 0 ? "Ready" : `Not ready: ${reasons.join("; ")}`;
}
