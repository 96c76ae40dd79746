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

/** One run of one worker, in the supervisor: its process, its streams, and what it last reported. */
export class WorkerLink {
  readonly index: number;
  readonly streams: WorkerStreams;
  readonly #answers: WorkerAnswers;
  readonly #process: WorkerProcess;
  readonly #started = Promise.withResolvers<WorkerAddresses>();
  readonly #measures = new Map<number, (metrics: readonly MetricSnapshot[]) => void>();
  #lastMeasure = 0;
  #notReady: readonly string[] = ["starting"];

  constructor({ index, streams, answers, startProcess }: WorkerLinkParts) {
    this.index = index;
    this.#process = startProcess((message) => this.#receive(message));
    const send = (message: ToWorker) => this.#process.send(message);
    this.streams = new WorkerStreams({ streams, send, defer: queueMicrotask });
    this.#answers = new WorkerAnswers(answers, send);
    this.ended = this.#process.ended.then((end) => {
      this.#notReady = ["not running"];
      this.streams.close();
      this.#answers.close();
      for (const resolve of this.#measures.values()) resolve([]);
      this.#started.reject(new WorkerError(`a worker ended before it was ready: ${end.stderr || describeEnd(end)}`, false));
      return end;
    });
    // The end of a worker that had started is handled by `ended`.
    this.#started.promise.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when the process has ended and its streams are closed. */
  readonly ended: Promise<WorkerEnd>;

  /** Resolves when the worker accepts connections. Rejects with `WorkerError` if it cannot start. */
  get started(): Promise<WorkerAddresses> {
    return this.#started.promise;
  }

  /** The reasons why the worker is not ready. */
  get notReady(): readonly string[] {
    return this.#notReady;
  }

  /** Sends a message after all frames before it. */
  send(message: ToWorker): void {
    this.streams.send(message);
  }

  /** Resolves to the worker's metrics; empty if the worker has ended. */
  measure(): Promise<readonly MetricSnapshot[]> {
    const id = ++this.#lastMeasure;
    return new Promise((resolve) => {
      this.#measures.set(id, resolve);
      this.send({ type: "measure", id });
    });
  }

  kill(): void {
    this.#process.kill();
  }

  #receive(message: FromWorker): void {
    if (this.streams.receive(message) || this.#answers.receive(message)) return;
    switch (message.type) {
      case "started":
        this.#notReady = [];
        this.#started.resolve(message.addresses);
        return;
      case "failed":
        this.#started.reject(new WorkerError(message.problem, message.isConfigError));
        return;
      case "measured":
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

export function describeEnd({ exitCode, signal }: WorkerEnd): string {
  return signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
}
