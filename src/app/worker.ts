import { ConfigError } from "../config/problem.ts";
import { type GatewayConfig, requireBackend } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import { systemClock } from "../core/clock.ts";
import type { HttpEndpoint } from "../core/http-endpoint.ts";
import { ListenError, listenAdvice } from "../core/listen.ts";
import { Revocations } from "../core/revocations.ts";
import { StoreError, TlsFilesError } from "../core/start-error.ts";
import type { Log } from "../core/telemetry.ts";
import { watchEventLoop } from "../observe/event-loop-delay.ts";
import type { BatchedLog } from "../observe/log.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { openStores, type Stores } from "../stores/open.ts";
import type { FromWorker, ToWorker } from "../workers/messages.ts";
import { RemoteAnswers } from "../workers/remote-answers.ts";
import { RemoteStreams } from "../workers/remote-streams.ts";
import { WORKER_MEMORY_FD } from "../workers/worker-process.ts";
import { openBackend } from "./backend.ts";
import { portOf } from "./listeners.ts";
import { hubSettings, storeSettings } from "./options.ts";
import { Readiness } from "./readiness.ts";
import { logLevel, type ReloadPart } from "./reload.ts";
import { openRequestPath, type RequestPath } from "./request-path.ts";
import { SigningKeys } from "./signing-keys.ts";
import { limitDnsCache } from "./start-parts.ts";
import type { WorkerFiles } from "./worker-files.ts";
import { WorkerReload } from "./worker-reload.ts";

type WorkerLog = Log & Pick<BatchedLog, "setLevel">;

export interface SupervisorChannel {
  send(message: FromWorker): void;
  /** Calls `receive` for each message, in order. */
  onMessage(receive: (message: ToWorker) => void): void;
}

type StartMessage = Extract<ToWorker, { type: "start" }>;

export interface WorkerOptions {
  readonly channel: SupervisorChannel;
  /** Creates the log and the metrics of this process. `worker`: the index of the worker. */
  readonly createTelemetry: (config: Config, worker: number) => { readonly log: WorkerLog; readonly metrics: GatewayMetrics };
  /** Returns the endpoints of the playground. Called only if it is enabled. */
  readonly playgroundEndpoints: (config: Config) => Promise<readonly HttpEndpoint[]>;
}

/** Interval at which the worker reports its state, in ms. */
const STATE_INTERVAL_MS = 1000;

/**
 * Runs a worker. It accepts connections, runs the pipeline and holds the streams. The events come from the supervisor's hub.
 * Resolves to the exit code when the worker has stopped or failed.
 */
export async function runWorker({ channel, createTelemetry, playgroundEndpoints }: WorkerOptions): Promise<number> {
  const first = Promise.withResolvers<StartMessage>();
  const early: ToWorker[] = [];
  let receive = (message: ToWorker) => {
    if (message.type === "start") first.resolve(message);
    else early.push(message);
  };
  channel.onMessage((message) => receive(message));
  const start = await first.promise;
  try {
    // The casts are safe, because the supervisor runs the same code. It has checked the configuration and the files.
    const config = requireBackend(start.config as Config);
    const files = start.files as WorkerFiles;
    const worker = new Worker(config, start, { channel, ...createTelemetry(config, start.worker) });
    for (const message of early) worker.receive(message);
    receive = (message) => worker.receive(message);
    await worker.open(config, files, config["playground.enabled"] ? await playgroundEndpoints(config) : []);
    return await worker.stopped;
  } catch (error) {
    channel.send({
      type: "failed",
      problem: problemOf(error),
      isConfigError: error instanceof ConfigError || error instanceof TlsFilesError,
    });
    return 1;
  }
}

interface WorkerParts {
  readonly channel: SupervisorChannel;
  readonly log: WorkerLog;
  readonly metrics: GatewayMetrics;
}

class Worker {
  readonly #parts: WorkerParts;
  readonly #revocations: Revocations;
  readonly #streams: RemoteStreams;
  readonly #answers: RemoteAnswers;
  readonly #stopped = Promise.withResolvers<number>();
  readonly #reload: WorkerReload;
  #stores: Stores | undefined;
  #backend: ReturnType<typeof openBackend> | undefined;
  #requests: RequestPath | undefined;
  #isReady = false;
  #isStopping = false;
  /** Whether another process has taken over. Calls on open connections are then still answered during the stop. */
  #isRetired = false;
  #reporting: Timer | undefined;

  constructor(config: GatewayConfig, { mark, isFeedUp }: StartMessage, parts: WorkerParts) {
    this.#parts = parts;
    this.#revocations = new Revocations({ clock: systemClock, graceMs: config["push.grace_ms"], startMark: mark });
    this.#revocations.feedChanged(isFeedUp);
    this.#answers = new RemoteAnswers((message) => parts.channel.send(message));
    this.#reload = new WorkerReload({
      answer: (id, problem) => parts.channel.send({ type: "prepared", id, problem }),
      failed: (problem) => this.#fail(problem),
    });
    this.#streams = new RemoteStreams({
      send: (message) => parts.channel.send(message),
      outbox: hubSettings(config).outbox,
      clock: systemClock,
      random: Math.random,
      onDropped: (reason, events) => parts.metrics.count("sallyport_events_dropped_total", { reason }, events),
    });
  }

  get stopped(): Promise<number> {
    return this.#stopped.promise;
  }

  receive(message: ToWorker): void {
    if (this.#streams.receive(message) || this.#answers.receive(message)) return;
    switch (message.type) {
      case "revoke":
        this.#revocations.revoke(message.revocation);
        this.#requireMark(message.mark);
        return;
      case "revocations lost":
        this.#revocations.lost();
        this.#requireMark(message.mark);
        return;
      case "feed":
        this.#revocations.feedChanged(message.isUp);
        return;
      case "ready":
        this.#isReady = message.isReady;
        return;
      case "measure":
        this.#measured(message.id);
        return;
      case "prepare":
        this.#reload.prepare(message.id, message.config as Config);
        return;
      case "commit":
        this.#reload.commit(message.id, message.config as Config);
        return;
      case "retire":
        this.#isRetired = true;
        this.#requests?.retire();
        return;
      case "stop":
        this.#streams.noteShutdown(message.streams);
        void this.#stop();
        return;
    }
  }

  /** Opens the backend, the stores and the public listeners. Throws the same errors as `startGateway`. */
  async open(config: GatewayConfig, files: WorkerFiles, endpoints: readonly HttpEndpoint[]): Promise<void> {
    const { channel, log, metrics } = this.#parts;
    const clock = systemClock;
    limitDnsCache(log);
    const backend = openBackend(config, { metrics, log, clock, credentials: files.backend });
    const stores = await openStores(storeSettings(config, WORKER_MEMORY_FD), {
      ...{ source: backend.sessions, revocations: this.#revocations, clock, log, metrics },
      random: Math.random,
      onRevocation: () => {},
    });
    metrics.beforeRender(() => stores.sample(metrics));
    watchEventLoop(clock, metrics);
    const signing = new SigningKeys(config, { clock });
    const readiness = new Readiness();
    readiness.add(() => (this.#isReady ? [] : ["the supervisor is not ready"]));
    const requests = await openRequestPath(config, {
      // With Redis, the workers of all gateways share the kept answers. Otherwise, the supervisor stores them for its workers.
      stores: config["stores.kind"] === "redis" ? stores : { ...stores, answers: this.#answers },
      ...{ backend, revocations: this.#revocations, readiness, log, metrics, clock },
      streams: this.#streams,
      keys: signing.ring,
      checkedTls: files.tls,
      isStopping: () => this.#isStopping && !this.#isRetired,
      endpoints,
    });
    this.#backend = backend;
    this.#stores = stores;
    this.#requests = requests;
    this.#reload.start([signing, backend, requests, this.#streamLimits, logLevel(log)]);
    const { edgeUrl, grpcUrl, bound } = requests;
    requests.sharePorts();
    channel.send({
      type: "started",
      addresses: { edgeUrl, grpcUrl, bound, edgePort: portOf(edgeUrl), grpcPort: portOf(grpcUrl) },
    });
    this.#reporting = setInterval(() => this.#report(stores), STATE_INTERVAL_MS);
  }

  /**
   * Ends this worker if its revocation log is not at the same position as the supervisor's. Such a worker could admit a revoked
   * session. The supervisor then starts a new worker.
   */
  #requireMark(mark: number): void {
    if (this.#revocations.mark() === mark) return;
    this.#parts.log.error("revocation logs of worker and supervisor differ", {
      supervisor_position: mark,
      worker_position: this.#revocations.mark(),
    });
    this.#stopped.resolve(1);
  }

  #measured(id: number): void {
    this.#parts.channel.send({ type: "measured", id, metrics: this.#parts.metrics.snapshot() });
  }

  readonly #streamLimits: ReloadPart = {
    prepare: (next) => ({ commit: () => this.#streams.adopt(hubSettings(next).outbox) }),
  };

  /** Ends this worker. The supervisor then starts a new one, with the current configuration. */
  #fail(cause: string): void {
    this.#parts.log.error("new configuration rejected by worker", { cause });
    this.#stopped.resolve(1);
  }

  #report(stores: Stores): void {
    this.#parts.channel.send({ type: "state", notReady: stores.notReady(), unread: this.#streams.unread() });
  }

  async #stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#reporting);
    await this.#requests?.drain();
    // Sends the last metric values. The supervisor keeps them in the sums over all workers after this worker has ended.
    this.#measured(0);
    await this.#requests?.close();
    this.#stores?.close();
    this.#backend?.close();
    this.#stopped.resolve(0);
  }
}

/** Returns a text for operators: the message of an expected error, or the stack of an unexpected one. */
function problemOf(error: unknown): string {
  const isExpected = [ConfigError, TlsFilesError, ListenError, StoreError].some((kind) => error instanceof kind);
  if (!isExpected && error instanceof Error) return error.stack ?? messageOf(error);
  return messageOf(error) + listenAdvice(error);
}
