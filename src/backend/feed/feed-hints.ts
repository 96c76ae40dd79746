import { Code, type ConnectError } from "@connectrpc/connect";
import type { Log } from "../../core/telemetry.ts";

export interface FeedHintsOptions {
  /** Scheme, host and port of `push.url`, for log lines. */
  readonly url: string;
  /** Resolves to what to change in the configuration, or `undefined` if nothing is known. */
  readonly explain: (error: ConnectError, signal: AbortSignal) => Promise<string | undefined>;
  readonly log: Log;
}

/** When the push feed fails, logs a hint: what to change in the configuration. Logs it again only after the feed was up. */
export class FeedHints {
  readonly #options: FeedHintsOptions;
  readonly #stopped = new AbortController();
  #explained = new Set<string>();
  #logged = new Set<string>();

  constructor(options: FeedHintsOptions) {
    this.#options = options;
  }

  /** Call this at each failure of the feed. Calls `explain` once for each kind of error until the feed is up. */
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

  /** Call this when the feed is up. The hints can then be logged again, because the next failure may have another cause. */
  succeeded(): void {
    this.#explained = new Set();
    this.#logged = new Set();
  }

  /** Aborts the running calls of `explain`. */
  stop(): void {
    this.#stopped.abort();
  }
}
