import type { AnswerAge, AnswerClaim, AnswerStore, ClaimOutcome, KeyedRequest } from "../core/answers.ts";
import type { BackendReply } from "../core/backend.ts";
import type { FromWorker, SentClaim, ToWorker } from "./messages.ts";
import { fromSentRefusal } from "./messages.ts";

interface Waiting {
  readonly resolve: (outcome: SentClaim) => void;
  readonly reject: (thrown: unknown) => void;
}

/**
 * A worker's access to the kept answers, which the supervisor stores. So a command is executed once, even if several workers
 * receive attempts at it.
 */
export class RemoteAnswers implements AnswerStore {
  readonly #send: (message: FromWorker) => void;
  readonly #claims = new Map<number, Waiting>();
  readonly #keeps = new Map<number, (isStored: boolean) => void>();
  #lastId = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  async claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): Promise<ClaimOutcome> {
    const id = ++this.#lastId;
    const onAbort = () => this.#send({ type: "cancel claim", id });
    signal.addEventListener("abort", onAbort);
    try {
      const sent = await new Promise<SentClaim>((resolve, reject) => {
        this.#claims.set(id, { resolve, reject });
        this.#send({ type: "claim", id, request, leaseMs });
        if (signal.aborted) onAbort();
      });
      return sent.kind === "first" ? { ...sent, claim: this.#claim(id) } : sent;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Handles a message about a claim. Returns `false` for any other message. */
  receive(message: ToWorker): boolean {
    switch (message.type) {
      case "claimed":
        this.#claims.get(message.id)?.resolve(message.outcome);
        this.#claims.delete(message.id);
        return true;
      case "claim refused":
        this.#claims.get(message.id)?.reject(fromSentRefusal(message.refusal));
        this.#claims.delete(message.id);
        return true;
      case "kept":
        this.#keeps.get(message.id)?.(message.isStored);
        this.#keeps.delete(message.id);
        return true;
      default:
        return false;
    }
  }

  #claim(id: number): AnswerClaim {
    return {
      keep: (reply: BackendReply, age: AnswerAge) =>
        new Promise((resolve) => {
          this.#keeps.set(id, resolve);
          this.#send({ type: "keep", id, reply, age });
        }),
      release: () => this.#send({ type: "release", id }),
    };
  }
}
