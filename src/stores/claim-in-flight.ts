import type { BackendReply } from "../core/backend.ts";

/** A claim of this gateway, and the requests of this gateway that wait for its end. */
export class ClaimInFlight {
  readonly fingerprint: string;
  #wake: ((reply: BackendReply | undefined) => void)[] | undefined;
  #ended: { readonly reply: BackendReply | undefined } | undefined;

  constructor(fingerprint: string) {
    this.fingerprint = fingerprint;
  }

  /** Resolves when the claim ends. The result is the answer, or `undefined` if the claim ended without an answer. */
  end(): Promise<BackendReply | undefined> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended.reply);
    this.#wake ??= [];
    const { promise, resolve } = Promise.withResolvers<BackendReply | undefined>();
    this.#wake.push(resolve);
    return promise;
  }

  /** Ends the claim. Only the first call has an effect. */
  settle(reply: BackendReply | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reply };
    for (const wake of this.#wake ?? []) wake(reply);
    this.#wake = undefined;
  }
}
