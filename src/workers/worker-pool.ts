import type { AnswerStore } from "../core/answers.ts";
import { Backoff } from "../core/backoff.ts";
import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/start-error.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import { EndedMetrics } from "../observe/ended-metrics.ts";
import type { MetricSnapshot } from "../observe/metric-snapshot.ts";
import type { FromWorker, ToWorker, WorkerAddresses } from "./messages.ts";
import { preparedByAll } from "./prepared-by-all.ts";
import { logWorkerEnd, oneLine } from "./worker-end-report.ts";
import { MEASURE_MS_MAX, setWorkerGauges } from "./worker-gauges.ts";
import { WorkerLink } from "./worker-link.ts";
import type { WorkerEnd, WorkerProcess } from "./worker-process.ts";
import { type ReplacementTimes, retireWorker, startedWithin } from "./worker-retirement.ts";

export interface WorkerPoolParts {
  readonly count: number;
  readonly streams: EventStreams;
  readonly answers: AnswerStore;
  /**
   * Returns the message that starts a worker. `worker` is its index. `addresses` are the addresses that the first worker opened.
   * They are `undefined` when the first worker starts.
   */
  readonly startMessage: (worker: number, addresses: WorkerAddresses | undefined) => ToWorker;
  /** Never throws. */
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
/** Number of `#watch` calls from one read of the workers' metrics to the next. If a worker ends, later counts of it are lost. */
const READ_EVERY = 2;

/** The state of a worker, for `/readyz`. */
export interface WorkerState {
  readonly worker: number;
  readonly status: "ready" | "not ready";
  readonly reasons?: readonly string[];
}

/** The worker processes. Starts them one after the other. Restarts a worker that ends before the pool stops. */
export class WorkerPool {
  readonly #parts: WorkerPoolParts;
  readonly #links: (WorkerLink | undefined)[];
  /** Workers that are not in `#links`: new workers that do not accept connections yet, and replaced workers that have not ended. */
  readonly #others = new Set<WorkerLink>();
  /** Why the last restart of a worker failed, by the worker's index. */
  readonly #problems = new Map<number, string>();
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
      if (reasons.length === 0) return { worker, status: "ready" };
      const problem = this.#problems.get(worker);
      const why = problem === undefined ? [] : [`last start failed: ${problem}`];
      return { worker, status: "not ready", reasons: [...reasons, ...why] };
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
    for (const [index, snapshots] of all.entries()) setWorkerGauges(this.#parts.metrics, index, links[index], snapshots);
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
    for (const link of this.#running()) link.kill("the gateway stops");
    await Promise.all(this.#running().map(({ ended }) => ended));
  }

  /** Kills the workers that do not respond. A killed worker is restarted when its process has ended. */
  #watch(): void {
    const isReading = ++this.#watches % READ_EVERY === 0;
    for (const link of this.#running()) {
      if (isReading) void link.measure();
      if (!link.tick()) continue;
      this.#parts.log.error("unresponsive worker killed", { worker: link.index });
      link.kill("it did not respond");
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
      this.#problems.delete(index);
      this.#addresses ??= addresses;
      onChange();
      return addresses;
    } catch (error) {
      link.kill("its start failed");
      throw error;
    }
  }

  /** Starts a worker process. If the process ends while it is in `#links`, another process replaces it. */
  #open(index: number, backoff: Backoff, hasStarted: () => boolean): WorkerLink {
    const { streams, answers, startProcess, startMessage, clock, onChange } = this.#parts;
    const link = new WorkerLink({ index, streams, answers, startProcess });
    const startedMs = clock.monotonic();
    link.send(startMessage(index, this.#addresses));
    void link.ended.then((end) => {
      this.#others.delete(link);
      this.#endedMetrics.add(link.lastMetrics);
      if (this.#links[index] !== link) return;
      this.#links[index] = undefined;
      onChange();
      if (!hasStarted() && this.#addresses === undefined) return;
      if (clock.monotonic() - startedMs >= PROVEN_MS) backoff.reset();
      void this.#restart(link, end, backoff);
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
    this.#problems.delete(index);
    this.#parts.onChange();
    if (old !== undefined) {
      this.#others.add(old);
      await retireWorker(old, times, this.#parts);
    }
    this.#parts.log.info("worker replaced", { worker: index, new_pid: next.pid });
  }

  async #restart(link: WorkerLink, end: WorkerEnd, backoff: Backoff): Promise<void> {
    const { log, metrics } = this.#parts;
    const { index } = link;
    // `started` is settled, because the process has ended.
    const problem = await link.started.then(() => undefined, messageOf);
    if (this.#isStopping) return;
    const delayMs = backoff.nextMs();
    logWorkerEnd(log, link, end, { problem, retryInMs: delayMs });
    if (problem !== undefined) this.#problems.set(index, oneLine(problem));
    metrics.count("sallyport_worker_restarts_total");
    await Bun.sleep(delayMs);
    // During the delay, `replaceAll` may have started another worker.
    if (this.#isStopping || this.#links[index] !== undefined) return;
    // If the start fails, `link.ended` of the new link resolves. That begins the next restart, and the reason is logged there.
    const isRunning = await this.#startOne(index, backoff).then(
      () => true,
      () => false,
    );
    if (isRunning) log.info("worker restarted", { worker: index });
  }

  #newBackoff(): Backoff {
    return new Backoff({ minMs: RESTART_MIN_MS, maxMs: RESTART_MAX_MS, random: this.#parts.random });
  }
}
