import type { AnswerBounds, KeyedRequest } from "../../src/core/answers.ts";
import { ANSWER_OVERHEAD_BYTES, ANSWER_SHARES } from "../../src/core/limits.ts";

type Command = Omit<KeyedRequest, "asOfMs">;

/** What an answer store must do, as a list of answers from the oldest to the newest. Nothing expires. */
export class AnswerModel {
  readonly #bounds: AnswerBounds;
  #answers: (Command & { readonly text: string })[] = [];
  evicted = 0;

  constructor(bounds: AnswerBounds) {
    this.#bounds = bounds;
  }

  outcomeOf(command: Command): string {
    const found = this.#answers.find((each) => isSame(each, command));
    if (found === undefined) return "first";
    return found.fingerprint === command.fingerprint ? `ok ${found.text}` : "reused";
  }

  keep(command: Command, text: string): boolean {
    const isOwn = (each: Command) => each.deviceSessionId === command.deviceSessionId;
    const answer = { ...command, text };
    if (this.#isOver([answer], ANSWER_SHARES)) return false;
    while (this.#isOver([...this.#answers.filter(isOwn), answer], ANSWER_SHARES)) this.#evict(this.#answers.findIndex(isOwn));
    while (this.#isOver([...this.#answers, answer], 1)) this.#evict(0);
    this.#answers.push(answer);
    return true;
  }

  #isOver(answers: readonly { readonly text: string }[], parts: number): boolean {
    const bytes = answers.reduce((sum, { text }) => sum + text.length + ANSWER_OVERHEAD_BYTES, 0);
    return answers.length * parts > this.#bounds.entriesMax || bytes * parts > this.#bounds.bytesMax;
  }

  #evict(at: number): void {
    this.#answers = this.#answers.toSpliced(at, 1);
    this.evicted++;
  }
}

function isSame(one: Command, other: Command): boolean {
  return one.deviceSessionId === other.deviceSessionId && one.idempotencyKey === other.idempotencyKey;
}
