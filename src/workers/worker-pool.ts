import type { AnswerStore } from "../core/answers.ts";
import { Backoff } from "../core/backoff.ts";
import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/start-error.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import { spread } from "../hub/spread.ts";
import { EndedMetrics } from "../observe/ended-metrics.ts";
import type { MetricSnapshot } from "../observe/metric-snapshot.ts";
import type { FromWorker, ToWorker, WorkerAddresses } from "./messages.ts";
import { preparedByAll } from "./prepared-by-all.ts";
import { WorkerLink } from "./worker-link.ts";
import type { WorkerEnd, WorkerProcess } from "./worker-process.ts";

export interface WorkerPoolParts {
  readonly count: number;
  readonly streams: EventStreams;
  readonly answers: AnswerStore;
  /**
   * Returns the message that starts a worker. `addresses` are the addresses that the first worker opened. They are `undefined`
   * when the first worker starts.
   */
  readonly startMessage: (addresses: WorkerAddresses | undefined) => ToWorker;
  readonly startProcess: (onMessage: (message: FromWorker) => void) => WorkerProcess;
  readonly onChange: () => void;
  readonly clock: Pick<Clock, "monotonic">;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 10_000;
/** If a worker ends after it ran for at least this time, in ms, it is restarted after the minimum delay. */
const PROVEN_MS = 10_000;
/** Interval at which the pool checks whether all workers respond, in ms. */
const WATCH_MS = 1000;
/**
 * Minimum time for which a replaced worker serves its open connections, in ms. A client that sends a request within this time
 * learns that it must open another connection.
 */
const RETIREMENT_MS_MIN = 1000;
/** `measure` waits at most this time for the workers, in ms. */
const MEASURE_MS_MAX = 1000;
/** Number of `#watch` calls from one read of the workers' metrics to the next. If a worker ends, later counts of it are lost. */
const READ_EVERY = 2;

/** The state of a worker, for `/readyz`. */
export interface WorkerState {
  readonly worker: number;
  readonly status: "ready" | "not ready";
  readonly reasons?: readonly string[];
}

/** Times of the replacement of workers, in ms. */
export interface ReplacementTimes {
  /** Maximum time until a new worker accepts connections. */
  readonly startMs: number;
  /** Time over which the streams of an old worker end, one after the other. */
  readonly spreadMs: number;
  /** Maximum time for the calls of an old worker after its streams have ended. Then the worker is killed. */
  readonly deadlineMs: number;
}

/** The worker processes. Starts them one after the other. Restarts a worker that ends before the pool stops. */
export class WorkerPool {
  readonly #parts: WorkerPoolParts;
  readonly #links: (WorkerLink | undefined)[];
  /** Workers that are not in `#links`: new workers that do not accept connections yet, and replaced workers that have not ended. */
  readonly #others = new Set<WorkerLink>();
  #addresses: WorkerAddresses | undefined;
  readonly #endedMetrics = new EndedMetrics();
  #isStopping = false;
  #watching: Timer | undefined;
  #watches = 0;

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts;
    this.#links = new Array(parts.count).fill(undefined);
  }

  /** Starts all workers. Resolves to the addresses that they share. Rejects with `WorkerError` if one cannot start. */
  async start(): Promise<WorkerAddresses> {
    this.#watching = setInterval(() => this.#watch(), WATCH_MS);
    let addresses: WorkerAddresses | undefined;
    for (let index = 0; index < this.#parts.count; index++) addresses = await this.#startOne(index);
    if (addresses === undefined) throw new RangeError("a pool has at least one worker");
    return addresses;
  }

  broadcast(message: ToWorker): void {
    for (const link of this.#running()) link.send(message);
  }

  notReady(): string[] {
    return this.states().flatMap(({ worker, reasons = [] }) => reasons.map((reason) => `worker ${worker}: ${reason}`));
  }

  states(): WorkerState[] {
    return this.#links.map((link, worker) => {
      const reasons = link?.notReady ?? ["not running"];
      return reasons.length === 0 ? { worker, status: "ready" } : { worker, status: "not ready", reasons };
    });
  }

  /**
   * Resolves to the metrics of each worker, and of all workers that have ended. If a worker does not answer in time, its last known
   * metrics are used.
   */
  async measure(): Promise<(readonly MetricSnapshot[])[]> {
    const late = Bun.sleep(MEASURE_MS_MAX).then((): MetricSnapshot[] => []);
    const links = [...this.#links];
    const all = await Promise.all(links.map((link) => (link === undefined ? [] : Promise.race([link.measure(), late]))));
    for (const [index, metrics] of all.entries()) this.#sample(index, metrics);
    return [...this.#running().map(({ lastMetrics }) => lastMetrics), this.#endedMetrics.snapshot()];
  }

  /** Lets every worker prepare a new configuration; see `preparedByAll`. */
  prepare(id: number, config: unknown): Promise<string[]> {
    return preparedByAll(this.#running(), id, config);
  }

  /** Tells the workers that a successor has taken over. From now on, no worker is restarted. */
  retire(): void {
    this.#isStopping = true;
    this.broadcast({ type: "retire" });
  }

  /**
   * Replaces the workers by new processes, one after the other. Resolves to the number of workers. Rejects with `WorkerError` if a
   * new worker cannot start. The old worker then continues, and the remaining workers are not replaced.
   */
  async replaceAll(times: ReplacementTimes): Promise<number> {
    for (let index = 0; index < this.#parts.count; index++) {
      await this.#replace(index, times).catch((cause) => {
        throw new WorkerError(`worker ${index} was not replaced: ${messageOf(cause)}`, false);
      });
    }
    return this.#parts.count;
  }

  /** Tells the workers to stop. Resolves when all have ended. `streams`: number of open streams when the shutdown began. */
  async stop(streams: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watching);
    this.broadcast({ type: "stop", streams });
    await Promise.all(this.#running().map(({ ended }) => ended));
  }

  /** Kills the workers that still run. Resolves when all have ended. */
  async close(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watching);
    for (const link of this.#running()) link.kill();
    await Promise.all(this.#running().map(({ ended }) => ended));
  }

  /** Kills the workers that do not respond. A killed worker is restarted when its process has ended. */
  #watch(): void {
    const isReading = ++this.#watches % READ_EVERY === 0;
    for (const link of this.#running()) {
      if (isReading) void link.measure();
      if (!link.tick()) continue;
      this.#parts.log.error("unresponsive worker killed", { worker: link.index });
      link.kill();
    }
  }

  #running(): WorkerLink[] {
    return [...this.#links.filter((link) => link !== undefined), ...this.#others];
  }

  async #startOne(index: number, backoff = this.#newBackoff()): Promise<WorkerAddresses> {
    const { onChange } = this.#parts;
    let hasStarted = false;
    const link = this.#open(index, backoff, () => hasStarted);
    this.#links[index] = link;
    try {
      const addresses = await link.started;
      hasStarted = true;
      this.#addresses ??= addresses;
      onChange();
      return addresses;
    } catch (error) {
      link.kill();
      throw error;
    }
  }

  /** Starts a worker process. If the process ends while it is in `#links`, another process replaces it. */
  #open(index: number, backoff: Backoff, hasStarted: () => boolean): WorkerLink {
    const { streams, answers, startProcess, startMessage, clock, onChange } = this.#parts;
    const link = new WorkerLink({ index, streams, answers, startProcess });
    const startedMs = clock.monotonic();
    link.send(startMessage(this.#addresses));
    void link.ended.then((end) => {
      this.#others.delete(link);
      this.#endedMetrics.add(link.lastMetrics);
      if (this.#links[index] !== link) return;
      this.#links[index] = undefined;
      onChange();
      if (hasStarted() || this.#addresses !== undefined) void this.#restart(index, end, clock.monotonic() - startedMs, backoff);
    });
    return link;
  }

  /** Starts a worker beside the running one, and then ends the running one. */
  async #replace(index: number, times: ReplacementTimes): Promise<void> {
    if (this.#isStopping) throw new Error("the gateway stops");
    const next = this.#open(index, this.#newBackoff(), () => true);
    this.#others.add(next);
    await startedWithin(times.startMs, next);
    if (!this.#others.delete(next)) throw new Error("the new worker has ended");
    const old = this.#links[index];
    this.#links[index] = next;
    this.#parts.onChange();
    if (old !== undefined) {
      this.#others.add(old);
      await this.#end(old, times);
    }
    this.#parts.log.info("worker replaced", { worker: index, new_pid: next.pid });
  }

  /** Ends a worker that was replaced. Its calls are answered, and its streams end one after the other. */
  async #end(old: WorkerLink, { spreadMs, deadlineMs }: ReplacementTimes): Promise<void> {
    const { clock, log } = this.#parts;
    // A worker that was restarted a moment ago may still be opening its ports.
    await old.started.catch(() => {});
    old.send({ type: "retire" });
    const sleep = (ms: number) => Bun.sleep(ms);
    const [streams] = await Promise.all([spread(old.streams, spreadMs, { clock, sleep }), sleep(RETIREMENT_MS_MIN)]);
    old.streams.endAll();
    old.send({ type: "stop", streams });
    const late = setTimeout(() => {
      log.warn("old worker killed at deadline", { worker: old.index, deadline_ms: deadlineMs });
      old.kill();
    }, deadlineMs);
    await old.ended;
    clearTimeout(late);
  }

  async #restart(index: number, { exitCode, signal, stderr }: WorkerEnd, ranMs: number, backoff: Backoff): Promise<void> {
    if (this.#isStopping) return;
    const { log, metrics } = this.#parts;
    const fields = { worker: index, exit_code: exitCode ?? undefined, signal, stderr: stderr.slice(-200) || undefined };
    log.error("worker ended unexpectedly", fields);
    metrics.count("sallyport_worker_restarts_total");
    if (ranMs >= PROVEN_MS) backoff.reset();
    await Bun.sleep(backoff.nextMs());
    // During the delay, `replaceAll` may have started another worker.
    if (this.#isStopping || this.#links[index] !== undefined) return;
    try {
      await this.#startOne(index, backoff);
      log.info("worker restarted", { worker: index });
    } catch {
      // `#startOne` has killed the process. When the process has ended, the next restart begins.
    }
  }

  #newBackoff(): Backoff {
    return new Backoff({ minMs: RESTART_MIN_MS, maxMs: RESTART_MAX_MS, random: this.#parts.random });
  }

  #sample(index: number, snapshots: readonly MetricSnapshot[]): void {
    const { metrics } = this.#parts;
    const worker = { worker: String(index) };
    const link = this.#links[index];
    const isUp = snapshots.length > 0;
    const value = (name: MetricSnapshot["name"]) => {
      const series = link?.lastMetrics.find((each) => each.name === name)?.series ?? [];
      return series.reduce((sum, each) => sum + each.value, 0);
    };
    const delay = value("sallyport_event_loop_delay_seconds");
    const isLate = link !== undefined && !isUp;
    metrics.gauge("sallyport_worker_up", isUp ? 1 : 0, worker);
    metrics.gauge("sallyport_worker_event_loop_delay_seconds", isLate ? Math.max(delay, MEASURE_MS_MAX / 1000) : delay, worker);
    metrics.gauge("sallyport_worker_connections", value("sallyport_connections"), worker);
    metrics.gauge("sallyport_worker_streams", link?.streams.count ?? 0, worker);
    metrics.gauge("sallyport_worker_cpu_seconds", value("process_cpu_seconds_total"), worker);
    metrics.gauge("sallyport_worker_resident_bytes", value("process_resident_memory_bytes"), worker);
  }
}

/** Waits until the worker accepts connections. If that takes longer than `ms`, kills the worker and throws. */
async function startedWithin(ms: number, link: WorkerLink): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the new worker was not ready after ${ms} ms`)), ms);
  try {
    await Promise.race([link.started, late.promise]);
  } catch (cause) {
    link.kill();
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}
