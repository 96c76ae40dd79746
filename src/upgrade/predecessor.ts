import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import type { Revocation } from "../core/sessions.ts";
import { UpgradeError } from "../core/start-error.ts";
import type { Log } from "../core/telemetry.ts";
import { InheritedAnswers, type OwnStore } from "./inherited-answers.ts";
import {
  decodeMessage,
  encodeMessage,
  type FromSuccessor,
  type Inheritance,
  type ToSuccessor,
  UPGRADE_PROTOCOL,
} from "./messages.ts";

/** The channel to the process that started this one. */
export interface PredecessorChannel {
  send(text: string): void;
  onMessage(receive: (text: unknown) => void): void;
  onDisconnect(listener: () => void): void;
}

export interface PredecessorParts {
  readonly channel: PredecessorChannel;
  readonly version: string;
  readonly clock: Pick<Clock, "monotonic">;
  /** Ends this process. Called if the predecessor ends before this process has taken over. */
  readonly exit: () => void;
}

/** The functions that this process calls when its predecessor sends a message. */
export interface TakeOver {
  /** Called when this process is the only one that accepts connections. */
  readonly onTakeOver: () => void;
  readonly revoke: (revocation: Revocation) => void;
  readonly log: Log;
}

/** Represents the process that this one replaces. */
export class Predecessor {
  readonly #parts: PredecessorParts;
  readonly #inheritance = Promise.withResolvers<Inheritance>();
  #answers: InheritedAnswers | undefined;
  #takeOver: TakeOver | undefined;
  #hasTakenOver = false;
  #isGone = false;

  constructor(parts: PredecessorParts) {
    this.#parts = parts;
    parts.channel.onMessage((text) => this.#receive(text));
    parts.channel.onDisconnect(() => this.#ended());
    this.#inheritance.promise.catch(() => {});
    this.#send({ type: "hello", protocol: UPGRADE_PROTOCOL, version: parts.version });
  }

  /**
   * Resolves to what the predecessor sends at the start. Rejects with `UpgradeError` if the predecessor ends before that, or if it
   * uses another version of the messages.
   */
  get inheritance(): Promise<Inheritance> {
    return this.#inheritance.promise;
  }

  /** Whether the predecessor has ended. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Returns the answer store of this process. `own` stores the answers after the predecessor has handed them over or has ended. */
  inheritAnswers(own: OwnStore): InheritedAnswers {
    this.#answers = new InheritedAnswers(own, (message) => this.#send(message), this.#parts.clock);
    return this.#answers;
  }

  /** Tells the predecessor why this process is not ready yet. */
  waiting(reasons: readonly string[]): void {
    this.#send({ type: "waiting", reasons });
  }

  /** Tells the predecessor why this process ends. */
  failed(problem: string): void {
    this.#send({ type: "failed", problem });
  }

  /** Tells the predecessor that this process accepts connections. */
  ready(takeOver: TakeOver): void {
    this.#takeOver = takeOver;
    this.#send({ type: "ready" });
  }

  announce(revocation: Revocation): void {
    if (!this.#isGone) this.#send({ type: "revoke", revocation });
  }

  #send(message: FromSuccessor): void {
    try {
      this.#parts.channel.send(encodeMessage(message));
    } catch {
      // The channel is closed: `onDisconnect` reports the end of the predecessor.
    }
  }

  #receive(text: unknown): void {
    try {
      this.#handle(decodeMessage<ToSuccessor>(text));
    } catch (cause) {
      this.#takeOver?.log.error("invalid message from predecessor", { cause: messageOf(cause) });
    }
  }

  #handle(message: ToSuccessor): void {
    if (this.#answers?.receive(message)) return;
    switch (message.type) {
      case "inherit":
        if (message.protocol === UPGRADE_PROTOCOL) this.#inheritance.resolve(message.inheritance);
        else this.#inheritance.reject(new UpgradeError("the running gateway speaks another version of the upgrade protocol"));
        return;
      case "take over":
        this.#hasTakenOver = true;
        this.#takeOver?.onTakeOver();
        return;
      case "revoke":
        this.#takeOver?.revoke(message.revocation);
        return;
      case "hand over":
      case "handed over":
        // Without `#answers`, the answers are in Redis, so nothing is handed over.
        return;
    }
  }

  #ended(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#inheritance.reject(new UpgradeError("the running gateway has ended"));
    if (!this.#hasTakenOver) return void this.#parts.exit();
    const isLost = this.#answers?.close() === true;
    if (isLost) this.#takeOver?.log.error("kept answers lost at upgrade");
    else this.#takeOver?.log.info("predecessor ended");
  }
}
