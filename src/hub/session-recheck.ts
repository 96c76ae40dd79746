import { toRefusal } from "../core/refusal.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";

/** The methods of the hub that the re-check uses. */
export interface RecheckedStreams {
  liveSessions(): Iterable<string>;
  isLive(deviceSessionId: string): boolean;
  revoke(revocation: { readonly deviceSessionId: string }): number;
}

export interface SessionRecheckOptions {
  readonly streams: RecheckedStreams;
  readonly sessions: SessionDirectory;
  /** Maximum number of concurrent look-ups. */
  readonly lookUpsMax: number;
  /** Delay before failed look-ups are repeated. */
  readonly retryMs: number;
  /** Resolves after `ms`, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/**
 * After a gap in the revocations, looks up every session that has open streams, and ends the streams of sessions that are no longer
 * active. Failed look-ups are repeated until every session has an answer.
 */
export class SessionRecheck {
  readonly #options: SessionRecheckOptions;
  #current = new AbortController();
  /** The latest run. The next run waits for it, so that concurrent runs never exceed `lookUpsMax`. */
  #running: Promise<void> = Promise.resolve();

  constructor(options: SessionRecheckOptions) {
    this.#options = options;
  }

  /** Stops the current run and starts one for all sessions with open streams. Resolves when it has finished or was stopped. */
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
      log.warn("session re-check incomplete", { sessions_unknown: unknown.length, retry_ms: retryMs });
      await sleep(retryMs, signal);
    }
  }

  stop(): void {
    this.#current.abort();
    this.#current = new AbortController();
  }

  /** Returns the sessions whose look-up failed. */
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

  /** Returns false if the look-up failed. */
  async #lookUp(deviceSessionId: string): Promise<boolean> {
    const { streams, sessions, log } = this.#options;
    if (!streams.isLive(deviceSessionId)) return true;
    try {
      const found = await sessions.find(deviceSessionId);
      if (found?.session.status !== "active") streams.revoke({ deviceSessionId });
      return true;
    } catch (thrown) {
      const { reason } = toRefusal(thrown);
      log.debug("session re-check look-up failed", { device_session_id: deviceSessionId, reason });
      return false;
    }
  }
}
