import type { StateDetail, SubscriptionState } from "../client/subscription-event.ts";
import type { ClientContext } from "./client-command.ts";
import { failureOf } from "./session/failure-report.ts";

/** Prints notes on standard error when the connection of `sallyport listen` opens, is lost, and opens again. */
export class ConnectionNotes {
  readonly #context: ClientContext;
  readonly #end: () => void;
  #wasLive = false;
  /**
   * The error of the first connection attempt; `undefined` if it succeeded. After this error the command ends, because a retry
   * does not correct a wrong URL or profile.
   */
  firstFailure: unknown;

  /** `end` is called to end the subscription if the first connection attempt fails. */
  constructor(context: ClientContext, end: () => void) {
    this.#context = context;
    this.#end = end;
  }

  note(state: SubscriptionState, { error, transport }: StateDetail): void {
    const { output, url, trace } = this.#context;
    if (state === "live") {
      if (output.isTerminal || trace !== undefined || this.#wasLive)
        output.note(`listening at ${url} (${transport ?? "fetch"})`);
      this.#wasLive = true;
    }
    if (state !== "waiting" || error === undefined) return;
    if (this.#wasLive) output.note(`connection lost: ${this.#textOf(error)}; reconnecting`);
    else this.#endWith(error);
  }

  #endWith(error: unknown): void {
    this.firstFailure = error;
    this.#end();
  }

  /** Returns the message of the failure without the advice at its end, because the command reconnects without the user's help. */
  #textOf(error: unknown): string {
    const { profile, url } = this.#context;
    try {
      return failureOf(error, { profile: profile.name, url }).message.replace(/;[^;]*$/, "");
    } catch {
      return "the stream ended unexpectedly";
    }
  }
}
