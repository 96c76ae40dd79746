import type { SubscriptionEvent } from "../client/subscription-event.ts";
import { isMessageType } from "../core/grammar.ts";
import { UsageError } from "./arguments/parse.ts";

/** Selects the events that `listen` prints. Without `--types`, it prints the events of the backend and every resync. */
export class TypeFilter {
  readonly #patterns: readonly string[] | undefined;

  /** Throws `UsageError` if `types` is not a list of types and prefixes. */
  constructor(types: string | undefined) {
    this.#patterns = types?.split(",").map((each) => each.trim());
    if (this.#patterns?.every(isPattern) === false)
      throw new UsageError("--types must be a list such as chat.message,presence.* without blanks");
  }

  accepts({ kind, eventType }: Pick<SubscriptionEvent, "kind" | "eventType">): boolean {
    if (this.#patterns === undefined) return kind !== "gateway";
    return this.#patterns.some((pattern) =>
      pattern.endsWith("*") ? eventType.startsWith(pattern.slice(0, -1)) : eventType === pattern,
    );
  }
}

/** Whether a text is an entry of the list `--types`: an event type, a prefix such as `chat.*`, or `*`. */
function isPattern(text: string): boolean {
  return text === "*" || isMessageType(text.replace(/\.\*$/, ".x"));
}
