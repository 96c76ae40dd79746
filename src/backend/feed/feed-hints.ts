import { Code, type ConnectError } from "@connectrpc/connect";
import type { Log } from "../../core/telemetry.ts";

export interface FeedHintsOptions {
  /** Scheme, host and port of the backend's URL, for log lines. */
  readonly url: string;
  /** Resolves to what to change in the configuration, or `undefined` if nothing is known. */
  readonly explain: (error: ConnectError, signal: AbortSignal) => Promise<string | undefined>;
  readonly log: Log;
}

/** Logs what to change if the push feed fails. Logs each hint once, until the feed has been up again. */
export class FeedHints {
  readonly #options: FeedHintsOptions;
  readonly #stopped = new AbortController();
  #explained = new Set<string>();
  #logged = new Set<string>();

  constructor(options: FeedHintsOptions) {
    this.#options = options;
  }

  /** Call with each failure of the feed. Calls `explain` at most once for each kind of error. */
  failed(error: ConnectError): void {
    const cause = `${Code[error.code]} ${error.rawMessage}`;
    if (this.#explained.has(cause) || this.#stopped.signal.aborted) return;
    this.#explained.add(cause);
    const { explain, log, url } = this.#options;
    const logged = this.#logged;
    explain(error, this.#stopped.signal).then(
      (hint) => {
        if (hint === undefined || logged.has(hint) || this.#stopped.signal.aborted) return;
        logged.add(hint);
        log.warn("push feed configuration hint", { url, hint });
      },
      () => {},
    );
  }

  /** Call when the feed is up. The next failure may have another cause. */
  succeeded(): void {
    this.#explained = new Set();
    this.#logged = new Set();
  }

  /** Aborts the running calls of `explain`. */
  stop(): void {
    this.#stopped.abort();
  }
}
