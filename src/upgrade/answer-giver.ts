import type { AnswerStore, HandedAnswer } from "../core/answers.ts";
import { WorkerAnswers } from "../workers/worker-answers.ts";
import type { FromSuccessor, ToSuccessor } from "./messages.ts";

/** The kept answers of this process. */
export interface OwnAnswers {
  readonly store: AnswerStore;
  /** Returns all kept answers, oldest first. */
  handOver(): readonly HandedAnswer[];
}

/** Maximum number of answers in one message. A message also ends when its payloads reach `BYTES_MAX` bytes. */
const ANSWERS_MAX = 256;
const BYTES_MAX = 1024 * 1024;

/**
 * Gives the kept answers of this process to its successor. While both processes run, the successor makes its claims in this
 * process. So a command is executed once, even if both processes receive requests for it.
 */
export class AnswerGiver {
  readonly #answers: OwnAnswers;
  readonly #send: (message: ToSuccessor) => void;
  readonly #claims: WorkerAnswers;
  readonly #settled = Promise.withResolvers<void>();
  #hasMoved = false;
  #received = Promise.withResolvers<void>();

  constructor(answers: OwnAnswers, send: (message: ToSuccessor) => void) {
    this.#answers = answers;
    this.#send = send;
    this.#claims = new WorkerAnswers(answers.store, (message) => {
      if (!this.#hasMoved) send({ type: "answers", message });
    });
  }

  /** Handles a message about answers. Returns `false` for any other message. */
  receive(message: FromSuccessor): boolean {
    if (message.type === "answers") this.#claims.receive(message.message);
    else if (message.type === "settled") this.#settled.resolve();
    else if (message.type === "received") this.#received.resolve();
    else return false;
    return true;
  }

  /** Hands over all kept answers. Call this when this process executes no more commands. */
  async handOver(): Promise<void> {
    this.#send({ type: "hand over" });
    await this.#settled.promise;
    // The successor makes its claims again in its own store. So this process releases the successor's claims here, and sends no
    // more messages about claims.
    this.#hasMoved = true;
    this.#claims.close();
    for (const answers of inBatches(this.#answers.handOver())) await this.#confirmed({ type: "kept answers", answers });
    await this.#confirmed({ type: "handed over" });
  }

  /** Releases the claims of the successor. Call this when the successor has ended. */
  close(): void {
    this.#claims.close();
  }

  async #confirmed(message: ToSuccessor): Promise<void> {
    this.#received = Promise.withResolvers();
    this.#send(message);
    await this.#received.promise;
  }
}

/** Splits the answers into messages, so that neither process needs memory for a second copy of all answers. */
function* inBatches(answers: readonly HandedAnswer[]): Generator<readonly HandedAnswer[]> {
  let batch: HandedAnswer[] = [];
  let bytes = 0;
  for (const answer of answers) {
    batch.push(answer);
    bytes += answer.reply.payloadBytes.byteLength;
    if (batch.length < ANSWERS_MAX && bytes < BYTES_MAX) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
