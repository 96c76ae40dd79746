import type { AnswerClaim, AnswerStore } from "../core/answers.ts";
import { type FromWorker, type ToWorker, toSentRefusal } from "./messages.ts";

/** The claims that the supervisor holds for one worker. */
export class WorkerAnswers {
  readonly #answers: AnswerStore;
  readonly #send: (message: ToWorker) => void;
  readonly #waiting = new Map<number, AbortController>();
  readonly #claims = new Map<number, AnswerClaim>();
  #isClosed = false;

  constructor(answers: AnswerStore, send: (message: ToWorker) => void) {
    this.#answers = answers;
    this.#send = send;
  }

  /** Handles a message about a claim. Returns `false` for any other message. */
  receive(message: FromWorker): boolean {
    switch (message.type) {
      case "claim":
        void this.#claim(message);
        return true;
      case "cancel claim":
        this.#waiting.get(message.id)?.abort();
        return true;
      case "keep":
        void this.#keep(message);
        return true;
      case "release":
        void this.#claims.get(message.id)?.release();
        this.#claims.delete(message.id);
        return true;
      default:
        return false;
    }
  }

  /** Releases all claims of the worker. Call this when the worker has ended, because it can store no more answers. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#waiting.values()) waiting.abort();
    for (const claim of this.#claims.values()) void claim.release();
    this.#claims.clear();
  }

  async #claim({ id, request, leaseMs }: Extract<FromWorker, { type: "claim" }>): Promise<void> {
    const canceled = new AbortController();
    this.#waiting.set(id, canceled);
    try {
      const outcome = await this.#answers.claim(request, leaseMs, canceled.signal);
      if (outcome.kind !== "first") this.#send({ type: "claimed", id, outcome });
      else if (this.#isClosed) void outcome.claim.release();
      else {
        this.#claims.set(id, outcome.claim);
        this.#send({ type: "claimed", id, outcome: { kind: "first", waited: outcome.waited } });
      }
    } catch (thrown) {
      this.#send({ type: "claim refused", id, refusal: toSentRefusal(thrown) });
    } finally {
      this.#waiting.delete(id);
    }
  }

  async #keep({ id, reply, age }: Extract<FromWorker, { type: "keep" }>): Promise<void> {
    const claim = this.#claims.get(id);
    this.#claims.delete(id);
    this.#send({ type: "kept", id, isStored: (await claim?.keep(reply, age)) === true });
  }
}
