import type { AnswerAge, AnswerClaim, AnswerStore, ClaimOutcome, HandedAnswer, KeyedRequest } from "../core/answers.ts";
import type { BackendReply } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { RemoteAnswers } from "../workers/remote-answers.ts";
import type { FromSuccessor, ToSuccessor } from "./messages.ts";

/** The answer store of this process. */
export interface OwnStore extends AnswerStore {
  takeOver(answer: HandedAnswer): void;
}

/** A claim in flight: the predecessor has granted it, and its command has no answer yet. */
interface Held {
  readonly request: KeyedRequest;
  readonly leaseEndMs: number;
  readonly remote: AnswerClaim;
  /** The claim in the store of this process; `undefined` until the end of the handover. */
  own: AnswerClaim | undefined;
}

/**
 * The answer store of a process that replaces a predecessor. It has three states, in this order:
 *
 * 1. `asking`: each claim is made in the predecessor.
 * 2. `moving`: the predecessor sends its kept answers. New claims wait.
 * 3. `own`: each claim is made in the store of this process. Claims in flight continue there.
 */
export class InheritedAnswers implements AnswerStore {
  readonly #own: OwnStore;
  readonly #send: (message: FromSuccessor) => void;
  readonly #remote: RemoteAnswers;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #held = new Set<Held>();
  readonly #moved = Promise.withResolvers<"moved">();
  #state: "asking" | "moving" | "own" = "asking";
  /** Whether the predecessor has sent all of its kept answers. */
  #isComplete = false;

  constructor(own: OwnStore, send: (message: FromSuccessor) => void, clock: Pick<Clock, "monotonic">) {
    this.#own = own;
    this.#send = send;
    this.#clock = clock;
    this.#remote = new RemoteAnswers((message) => send({ type: "answers", message }));
  }

  async claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): Promise<ClaimOutcome> {
    if (this.#state === "moving") await this.#moved.promise;
    if (this.#state === "own") return this.#own.claim(request, leaseMs, signal);
    const leaseEndMs = this.#clock.monotonic() + leaseMs;
    // While this claim waits for another request, the kept answers can move to this process. The claim is then repeated in the
    // store of this process.
    const outcome = await Promise.race([this.#remote.claim(request, leaseMs, signal), this.#moved.promise]);
    if (outcome === "moved") return this.#own.claim(request, leaseMs, signal);
    return outcome.kind === "first" ? { ...outcome, claim: this.#hold(request, leaseEndMs, outcome.claim) } : outcome;
  }

  /** Handles a message about answers. Returns `false` for any other message. */
  receive(message: ToSuccessor): boolean {
    switch (message.type) {
      case "answers":
        this.#remote.receive(message.message);
        return true;
      case "hand over":
        this.#state = "moving";
        this.#send({ type: "settled" });
        return true;
      case "kept answers":
        for (const answer of message.answers) this.#own.takeOver(answer);
        this.#send({ type: "received" });
        return true;
      case "handed over":
        this.#isComplete = true;
        this.#send({ type: "received" });
        this.#move();
        return true;
      default:
        return false;
    }
  }

  /**
   * Call this when the predecessor has ended. Returns whether kept answers are lost. They are lost if the predecessor ended
   * before it sent all of them.
   */
  close(): boolean {
    if (!this.#isComplete) this.#move();
    return !this.#isComplete;
  }

  #move(): void {
    // Waits for pending microtasks, because one of them may add a newly granted claim to `#held`.
    setImmediate(() => {
      for (const held of this.#held) this.#continue(held);
      this.#state = "own";
      this.#moved.resolve("moved");
    });
  }

  /**
   * Moves a claim in flight to the store of this process. New claims wait until all claims in flight have moved. So no other
   * request can already hold the claim in this store.
   */
  #continue(held: Held): void {
    const leftMs = Math.max(0, held.leaseEndMs - this.#clock.monotonic());
    const outcome = this.#own.claim(held.request, leftMs, NEVER);
    if (!(outcome instanceof Promise) && outcome.kind === "first") held.own = outcome.claim;
  }

  #hold(request: KeyedRequest, leaseEndMs: number, remote: AnswerClaim): AnswerClaim {
    const held: Held = { request, leaseEndMs, remote, own: undefined };
    this.#held.add(held);
    return {
      keep: (reply, age) => this.#keep(held, reply, age),
      release: async () => {
        if (this.#state === "moving") await this.#moved.promise;
        this.#held.delete(held);
        if (this.#state === "asking") await held.remote.release();
        else await held.own?.release();
      },
    };
  }

  async #keep(held: Held, reply: BackendReply, age: AnswerAge): Promise<boolean> {
    if (this.#state === "moving") await this.#moved.promise;
    this.#held.delete(held);
    if (this.#state === "asking") {
      const isKept = await Promise.race([held.remote.keep(reply, age), this.#moved.promise]);
      if (isKept !== "moved") return isKept;
      // The predecessor has ended before it confirmed that the answer is stored.
      this.#continue(held);
    }
    return (await held.own?.keep(reply, age)) === true;
  }
}

const NEVER = new AbortController().signal;
