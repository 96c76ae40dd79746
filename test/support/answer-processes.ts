import type { AnswerBounds } from "../../src/core/answers.ts";
import { MemoryAnswerStore } from "../../src/stores/memory/answers.ts";
import { AnswerGiver } from "../../src/upgrade/answer-giver.ts";
import { InheritedAnswers } from "../../src/upgrade/inherited-answers.ts";
import { decodeMessage, encodeMessage, type FromSuccessor, type ToSuccessor } from "../../src/upgrade/messages.ts";
import { ManualClock } from "./manual-clock.ts";

/** The answer stores of a process and its successor, which exchange encoded messages. */
export class AnswerProcesses {
  readonly clock = new ManualClock();
  readonly old: MemoryAnswerStore;
  /** The successor's own store. */
  readonly own: MemoryAnswerStore;
  readonly giver: AnswerGiver;
  readonly successor: InheritedAnswers;
  evicted = 0;
  /** False after the old process has ended. */
  isConnected = true;

  constructor(bounds: AnswerBounds) {
    const onEvicted = (answers: number) => {
      this.evicted += answers;
    };
    this.old = new MemoryAnswerStore(this.clock, { ...bounds, onEvicted });
    this.own = new MemoryAnswerStore(this.clock, { ...bounds, onEvicted });
    const toSuccessor = (message: ToSuccessor) =>
      this.#later(() => this.successor.receive(decodeMessage(encodeMessage(message))));
    const toOld = (message: FromSuccessor) => this.#later(() => this.giver.receive(decodeMessage(encodeMessage(message))));
    this.giver = new AnswerGiver({ store: this.old, handOver: () => this.old.handOver() }, toSuccessor);
    this.successor = new InheritedAnswers(this.own, toOld, this.clock);
  }

  /** The old process ends without a handover. Returns whether the successor knows that answers are lost. */
  kill(): boolean {
    this.isConnected = false;
    this.giver.close();
    return this.successor.close();
  }

  #later(deliver: () => unknown): void {
    queueMicrotask(() => {
      if (this.isConnected) deliver();
    });
  }
}
