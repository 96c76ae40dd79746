import type { Log, SessionDirectory } from "../core/ports.ts";
import { toRefusal } from "../core/refusal.ts";

/** The part of the hub that a re-check needs. */
export interface RecheckedStreams {
  liveSessions(): Iterable<string>;
  isLive(deviceSessionId: string): boolean;
  revoke(revocation: { readonly deviceSessionId: string }): number;
}

export interface SessionRecheckOptions {
  readonly streams: RecheckedStreams;
  readonly sessions: SessionDirectory;
  /** Look-ups under way at once. */
  readonly lookUpsMax: number;
  /** How long to wait before the sessions that nobody could tell about are looked up again. */
  readonly retryMs: number;
  /** Waits, or stops waiting as soon as the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/**
 * Looks up every session that has streams anew, where a revocation may have been lost, and ends the streams of those that are active no
 * longer. It goes on until all of them are known, a few at a time.
 */
export class SessionRecheck {
  readonly #options: SessionRecheckOptions;
  #current = new AbortController();
  /** What is still under way of one that was begun before is waited for: look-ups are not to add up. */
  #running: Promise<void> = Promise.resolve();

  constructor(options: SessionRecheckOptions) {
    this.#options = options;
  }

  /** Begins anew with every session that has streams now. Resolves when all are known, or another begins. */
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
      log.warn("re-check: sessions could not be looked up", { sessions: unknown.length });
      await sleep(retryMs, signal);
    }
  }

  stop(): void {
    this.#current.abort();
    this.#current = new AbortController();
  }

  /** Gives the sessions that nobody could tell about. */
  async #lookUpAll(ids: readonly string[], signal: AbortSignal): Promise<string[]> {
    const left = ids.values();
    const unknown: string[] = [];
    const worker = async () => {
      for (const id of left) {
        if (signal.aborted) return;
        if (!(await this.#lookUp(id))) unknown.push(id);
      }
    };
    await Promise.all(Array.from({ length: this.#options.lookUpsMax }, worker));
    return unknown;
  }

  /** Whether the session is known now. */
  async #lookUp(deviceSessionId: string): Promise<boolean> {
    const { streams, sessions, log } = this.#options;
    if (!streams.isLive(deviceSessionId)) return true;
    try {
      const found = await sessions.find(deviceSessionId);
      if (found?.session.status !== "active") streams.revoke({ deviceSessionId });
      return true;
    } catch (thrown) {
      const { reason } = toRefusal(thrown);
      log.debug("re-check: no answer", { device_session_id: deviceSessionId, reason });
      return false;
    }
  }
}
