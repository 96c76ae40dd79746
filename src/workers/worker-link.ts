import type { AnswerStore } from "../core/answers.ts";
import { WorkerError } from "../core/start-error.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import type { MetricSnapshot } from "../observe/metric-snapshot.ts";
import type { FromWorker, ToWorker, WorkerAddresses } from "./messages.ts";
import { WorkerAnswers } from "./worker-answers.ts";
import type { WorkerEnd, WorkerProcess } from "./worker-process.ts";
import { WorkerStreams } from "./worker-streams.ts";

export interface WorkerLinkParts {
  readonly index: number;
  readonly streams: EventStreams;
  readonly answers: AnswerStore;
  readonly startProcess: (onMessage: (message: FromWorker) => void) => WorkerProcess;
}

/**
 * A worker counts as not ready after this number of ticks without a message. A tick is one second. A responsive worker sends a
 * message every second.
 */
const LATE_TICKS = 4;
/**
 * A worker is replaced after this number of ticks without a message. Until then, the supervisor keeps in memory the messages that
 * the worker has not read.
 */
const SILENT_TICKS_MAX = 10;
/** Replaces `SILENT_TICKS_MAX` while a worker is starting. */
const START_TICKS_MAX = 60;

/** The supervisor's state of one worker process: its streams, claims and last report. A restarted worker gets a new link. */
export class WorkerLink {
  readonly index: number;
  readonly streams: WorkerStreams;
  readonly #answers: WorkerAnswers;
  readonly #process: WorkerProcess;
  readonly #started = Promise.withResolvers<WorkerAddresses>();
  readonly #preparations = new Map<number, (problem: string | undefined) => void>();
  readonly #measures = new Map<number, (metrics: readonly MetricSnapshot[]) => void>();
  #lastMeasure = 0;
  #hasStarted = false;
  #notReady: readonly string[] = ["starting"];
  /** Number of calls of `tick` since the last message of the worker. */
  #silentTicks = 0;
  #lastMetrics: readonly MetricSnapshot[] = [];
  #killedBecause: string | undefined;
  #hasEnded = false;

  constructor({ index, streams, answers, startProcess }: WorkerLinkParts) {
    this.index = index;
    this.#process = startProcess((message) => this.#receive(message));
    const send = (message: ToWorker) => this.#process.send(message);
    this.streams = new WorkerStreams({ streams, send, defer: queueMicrotask });
    this.#answers = new WorkerAnswers(answers, send);
    this.ended = this.#process.ended.then((end) => {
      this.#hasEnded = true;
      this.#notReady = ["not running"];
      this.streams.close();
      this.#answers.close();
      for (const resolve of this.#measures.values()) resolve([]);
      for (const resolve of this.#preparations.values()) resolve(undefined);
      const how = this.#killedBecause ?? (end.stderr || describeEnd(end));
      this.#started.reject(new WorkerError(`a worker ended before it was ready: ${how}`, false));
      return end;
    });
    // Prevents an unhandled rejection if nobody awaits `started`. The end of the process is also reported by `ended`.
    this.#started.promise.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves when the process has ended and its streams are closed. */
  readonly ended: Promise<WorkerEnd>;

  /** Resolves when the worker accepts connections. Rejects with `WorkerError` if it cannot start. */
  get started(): Promise<WorkerAddresses> {
    return this.#started.promise;
  }

  get notReady(): readonly string[] {
    return this.#hasStarted && this.#silentTicks >= LATE_TICKS ? ["does not respond"] : this.#notReady;
  }

  /**
   * Call this once a second. Returns whether the worker must be replaced because it has sent no message for too many ticks.
   * Counts ticks instead of time, so that a supervisor that was suspended does not replace its workers afterwards.
   */
  tick(): boolean {
    return ++this.#silentTicks >= (this.#hasStarted ? SILENT_TICKS_MAX : START_TICKS_MAX);
  }

  /** Sends a message. Frames that still wait for the worker are sent first. */
  send(message: ToWorker): void {
    this.streams.send(message);
  }

  /** The metrics that the worker sent last. Empty if it sent none. */
  get lastMetrics(): readonly MetricSnapshot[] {
    return this.#lastMetrics;
  }

  /** Resolves to the worker's metrics; empty if the worker has ended. */
  measure(): Promise<readonly MetricSnapshot[]> {
    const id = ++this.#lastMeasure;
    return new Promise((resolve) => {
      this.#measures.set(id, resolve);
      this.send({ type: "measure", id });
    });
  }

  /**
   * Resolves to the reason why the worker cannot use a new configuration; `undefined` if it can. Also resolves to `undefined` if
   * the worker is starting or has ended. A starting worker gets the configuration with the message `commit`. If the worker has
   * ended, the worker that replaces it gets the configuration with the message `start`.
   */
  prepare(id: number, config: unknown): Promise<string | undefined> {
    if (!this.#hasStarted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#preparations.set(id, resolve);
      this.send({ type: "prepare", id, config });
    });
  }

  /** Kills the process. `why`: a text for operators, such as `it did not respond`. */
  kill(why: string): void {
    if (this.#hasEnded) return;
    this.#killedBecause ??= why;
    this.#process.kill();
  }

  /** Why the supervisor has killed the process. `undefined` if the process ended by itself. */
  get killedBecause(): string | undefined {
    return this.#killedBecause;
  }

  #receive(message: FromWorker): void {
    this.#silentTicks = 0;
    if (this.streams.receive(message) || this.#answers.receive(message)) return;
    switch (message.type) {
      case "started":
        this.#notReady = [];
        this.#hasStarted = true;
        this.#started.resolve(message.addresses);
        return;
      case "failed":
        this.#started.reject(new WorkerError(message.problem, message.isConfigError));
        return;
      case "prepared":
        this.#preparations.get(message.id)?.(message.problem);
        this.#preparations.delete(message.id);
        return;
      case "measured":
        this.#lastMetrics = message.metrics;
        this.#measures.get(message.id)?.(message.metrics);
        this.#measures.delete(message.id);
        return;
      case "state":
        this.#notReady = message.notReady;
        this.streams.report(message.unread);
        return;
    }
  }
}

function describeEnd({ exitCode, signal }: WorkerEnd): string {
  return signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
}
