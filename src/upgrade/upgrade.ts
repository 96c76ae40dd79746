import { messageOf } from "../core/cause.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import type { UpgradeOutcome } from "../core/upgrade.ts";
import { AnswerGiver, type OwnAnswers } from "./answer-giver.ts";
import { type FromSuccessor, type Inheritance, type ToSuccessor, UPGRADE_PROTOCOL } from "./messages.ts";
import type { SuccessorEnd, SuccessorProcess } from "./successor-process.ts";

/** The parts of the running gateway that an upgrade uses. */
export interface UpgradableGateway {
  /** Lets a successor open the same ports, and returns what the successor needs. Throws if this process cannot be replaced. */
  bequeath(): Inheritance;
  /** The fd of the memory that the stores share with the successor; `undefined` if there is none. */
  readonly sharedMemory: number | undefined;
  /** The kept answers; `undefined` if they are not in the memory of this process. */
  readonly answers: OwnAnswers | undefined;
  /** Applies a revocation that the successor has received. */
  revoke(revocation: Revocation): void;
}

export interface UpgradeParts {
  readonly gateway: UpgradableGateway;
  /** Maximum time from the start of the successor until it is ready, in ms. */
  readonly timeoutMs: number;
  /** Starts the executable as it is on disk. Throws if it cannot be started. */
  readonly startProcess: (
    onMessage: (message: FromSuccessor) => void,
    onBadMessage: (cause: unknown) => void,
  ) => SuccessorProcess;
  /** Returns the reason why this process cannot be replaced at the moment; `undefined` if there is none. */
  readonly obstacle: () => string | undefined;
  /** Called when the successor is ready. It must report `pid` to the service manager, and drain this process. */
  readonly onReady: (pid: number) => void;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Maximum time for the handover of the kept answers, in ms. */
const HANDOVER_MS_MAX = 10_000;

/**
 * Replaces this process by a new one. The new process runs the executable that is on disk now, and reads the configuration again.
 *
 * 1. The successor starts, connects to the backend, fills its replay buffers, and then opens the same ports.
 * 2. When the successor is ready, this process closes its ports and drains.
 * 3. Before it ends, this process hands over its kept answers.
 *
 * If the successor ends or is not ready in time, this process continues as before.
 */
export class Upgrade {
  readonly #parts: UpgradeParts;
  #successor: Successor | undefined;
  #hasTakenOver = false;
  #isStopping = false;

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** Starts an upgrade. Resolves when the upgrade is refused, or when the successor has taken over or has failed. */
  async request(): Promise<UpgradeOutcome> {
    const obstacle = this.activity ?? this.#parts.obstacle();
    const { log, metrics } = this.#parts;
    if (obstacle !== undefined) {
      log.warn("upgrade refused", { cause: obstacle });
      return { kind: "refused", problem: obstacle };
    }
    const outcome = await this.#run();
    if (outcome.kind === "failed") metrics.count("sallyport_upgrades_total", { outcome: "failed" });
    return outcome;
  }

  /** The reason why no process of the gateway may be replaced now; `undefined` if there is none. */
  get activity(): string | undefined {
    if (this.#successor !== undefined) return "an upgrade is already running";
    return this.#isStopping ? "the gateway stops" : undefined;
  }

  get hasTakenOver(): boolean {
    return this.#hasTakenOver;
  }

  announce(revocation: Revocation): void {
    this.#successor?.send({ type: "revoke", revocation });
  }

  /** Ends a successor that is not ready yet. Call this when the gateway stops for another reason than an upgrade. */
  abort(): void {
    this.#isStopping = true;
    if (!this.#hasTakenOver) this.#successor?.fail("the gateway stops");
  }

  /** Hands over the kept answers to the successor. Call this just before this process ends. */
  async handOver(): Promise<void> {
    if (!this.#hasTakenOver) return;
    const isDone = await this.#successor?.handOver(HANDOVER_MS_MAX);
    if (isDone === false) this.#parts.log.error("kept answers not handed over to successor");
  }

  async #run(): Promise<UpgradeOutcome> {
    const { log, onReady } = this.#parts;
    try {
      const inheritance = this.#parts.gateway.bequeath();
      this.#successor = new Successor(this.#parts, inheritance);
      const { executable } = this.#successor;
      log.info("upgrade started", { successor_pid: this.#successor.pid, executable });
      const version = await this.#successor.ready;
      const { pid } = this.#successor;
      this.#hasTakenOver = true;
      log.info("gateway replaced by successor", { successor_pid: pid, successor_version: version, executable });
      onReady(pid);
      this.#successor.send({ type: "take over" });
      return { kind: "upgraded", pid, version, executable };
    } catch (cause) {
      this.#successor = undefined;
      const fields = cause instanceof SuccessorError ? cause.fields : {};
      log.error("upgrade failed", { cause: messageOf(cause), ...fields });
      return { kind: "failed", problem: messageOf(cause) };
    }
  }
}

type EndFields = Readonly<Record<"exit_code" | "signal" | "stderr", string | number | undefined>>;

/** Thrown if the successor ends before it is ready. */
class SuccessorError extends Error {
  readonly fields: EndFields;

  constructor({ exitCode, signal, stderr }: SuccessorEnd, problem: string | undefined) {
    const how = signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
    const why = problem ?? endsOf(stderr.split("\n")).join("; ");
    super(`the new process ended before it was ready: ${how}${why === "" ? "" : `: ${why}`}`);
    this.fields = { exit_code: exitCode ?? undefined, signal, stderr: stderr || undefined };
  }
}

/** Maximum number of lines of each end of the successor's standard error in an error message. */
const END_LINES_MAX = 3;

function endsOf(lines: readonly string[]): readonly string[] {
  if (lines.length <= 2 * END_LINES_MAX) return lines;
  return [...lines.slice(0, END_LINES_MAX), "…", ...lines.slice(-END_LINES_MAX)];
}

/** The successor process of one upgrade, and the messages to and from it. */
class Successor {
  readonly #inheritance: Inheritance;
  readonly #gateway: UpgradableGateway;
  readonly #process: SuccessorProcess;
  readonly #answers: AnswerGiver | undefined;
  readonly #ready = Promise.withResolvers<string>();
  readonly #limit: Timer;
  #version = "";
  #waitsFor: readonly string[] = [];
  #problem: string | undefined;

  constructor({ gateway, timeoutMs, startProcess }: UpgradeParts, inheritance: Inheritance) {
    this.#gateway = gateway;
    this.#inheritance = inheritance;
    this.#process = startProcess(
      (message) => this.#receive(message),
      (cause) => this.fail(`the new process sent a bad message: ${messageOf(cause)}`),
    );
    this.#answers = gateway.answers && new AnswerGiver(gateway.answers, (message) => this.send(message));
    this.#limit = setTimeout(() => this.#late(timeoutMs), timeoutMs);
    void this.#process.ended.then((end) => {
      this.#answers?.close();
      clearTimeout(this.#limit);
      this.#ready.reject(new SuccessorError(end, this.#problem));
    });
    // If nothing awaits `ready`, its rejection must not count as unhandled.
    this.#ready.promise.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The path of the successor's executable. */
  get executable(): string {
    return this.#process.executable;
  }

  /** Resolves to the successor's version when the successor is ready. Rejects if the successor ends or is not ready in time. */
  get ready(): Promise<string> {
    return this.#ready.promise;
  }

  send(message: ToSuccessor): void {
    this.#process.send(message);
  }

  /** Kills the successor. `ready` rejects with `problem`. */
  fail(problem: string): void {
    this.#ready.reject(new Error(problem));
    clearTimeout(this.#limit);
    this.#process.kill();
  }

  /** Hands over the kept answers. Resolves to `false` if the successor ends or takes longer than `timeoutMs`. */
  async handOver(timeoutMs: number): Promise<boolean> {
    const failed = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => failed.resolve(false), timeoutMs);
    const ended = this.#process.ended.then(() => false);
    const done = (this.#answers?.handOver() ?? Promise.resolve()).then(() => true);
    const isDone = await Promise.race([done, ended, failed.promise]);
    clearTimeout(timer);
    return isDone;
  }

  #late(timeoutMs: number): void {
    const reasons = this.#waitsFor.length === 0 ? "" : `: ${this.#waitsFor.join("; ")}`;
    this.fail(`the new process was not ready after ${timeoutMs} ms${reasons}`);
  }

  #receive(message: FromSuccessor): void {
    if (this.#answers?.receive(message)) return;
    switch (message.type) {
      case "hello":
        this.#greet(message);
        return;
      case "waiting":
        this.#waitsFor = message.reasons;
        return;
      case "failed":
        this.#problem = message.problem;
        return;
      case "ready":
        clearTimeout(this.#limit);
        this.#ready.resolve(this.#version);
        return;
      case "revoke":
        this.#gateway.revoke(message.revocation);
        return;
    }
  }

  #greet({ protocol, version }: Extract<FromSuccessor, { type: "hello" }>): void {
    this.#version = version;
    if (protocol === UPGRADE_PROTOCOL) this.send({ type: "inherit", protocol, inheritance: this.#inheritance });
    else this.fail(`the new executable (version ${version}) cannot take over from this one: restart the gateway instead`);
  }
}
