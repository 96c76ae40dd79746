import { toRefusal } from "../core/refusal.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";

/** The methods of the hub that `SessionRecheck` uses. */
export interface RecheckedStreams {
  liveSessions(): Iterable<string>;
  isLive(deviceSessionId: string): boolean;
  revoke(revocation: { readonly deviceSessionId: string }): number;
}

export interface SessionRecheckOptions {
  readonly streams: RecheckedStreams;
  readonly sessions: SessionDirectory;
  /** Maximum number of concurrent session look-ups. */
  readonly lookUpsMax: number;
  /** Delay before failed look-ups are repeated, in ms. */
  readonly retryMs: number;
  /** Resolves after `ms`, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/**
 * Looks up the sessions of all open streams again, when revocations may have been lost. Ends the streams of sessions that are
 * not active. Repeats failed look-ups until all succeed.
 */
export class SessionRecheck {
  readonly #options: SessionRecheckOptions;
  #current = new AbortController();
  /**
   * Resolves when the latest run has ended. The next run starts only then, so that two runs together never exceed
   * `lookUpsMax`.
   */
  #running: Promise<void> = Promise.resolve();

  constructor(options: SessionRecheckOptions) {
    this.#options = options;
  }

  /** Stops the current run and starts a new run for all sessions with open streams. Resolves when the new run has ended. */
  start(): Promise<void> {
    this.stop();
    const { signal } = this.#current;
    this.#running = this.#running.then(() => this.#run(signal));
    return this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { streams, retryMs, sleep, log } = this.#options;
    let unknown = [...streams.liveSessions()];
    while (unknown.length > 0 && !signal.aborted) {
      unknown = await this.#lookUpAll(unknown, signal);
      if (unknown.length === 0 || signal.aborted) return;
      log.warn("session rechecks failed", { failed_lookups: unknown.length, retry_after_ms: retryMs });
      await sleep(retryMs, signal);
    }
  }

  stop(): void {
    this.#current.abort();
    this.#current = new AbortController();
  }

  /** Looks up the sessions with these ids. Returns the ids whose look-up failed. */
  async #lookUpAll(ids: readonly string[], signal: AbortSignal): Promise<string[]> {
    const remaining = ids.values();
    const unknown: string[] = [];
    const worker = async () => {
      for (const id of remaining) {
        if (signal.aborted) return;
        if (!(await this.#lookUp(id))) unknown.push(id);
      }
    };
    await Promise.all(Array.from({ length: this.#options.lookUpsMax }, worker));
    return unknown;
  }

  /** Looks up one session, and ends its streams if it is no longer active. Returns false if the look-up failed. */
  async #lookUp(deviceSessionId: string): Promise<boolean> {
    const { streams, sessions, log } = this.#options;
    if (!streams.isLive(deviceSessionId)) return true;
    try {
      const found = await sessions.find(deviceSessionId);
      if (found?.session.status !== "active") streams.revoke({ deviceSessionId });
      return true;
    } catch (thrown) {
      const { reason } = toRefusal(thrown);
      log.debug("session recheck failed", { device_session_id: deviceSessionId, reason });
      return false;
    }
  }
}
