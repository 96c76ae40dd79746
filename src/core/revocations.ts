import type { Clock } from "./clock.ts";
import { RevocationLog, type SinceMark } from "./revocation-log.ts";
import type { Revocation } from "./sessions.ts";

/** A part of the gateway whose state depends on which sessions are active. */
export interface RevocationListener {
  /** Applies the revocation. Returns the number of streams that ended. */
  revoke(revocation: Revocation): number;
  /** Called if revocations may have been lost. Then any session in the session cache may have been revoked. */
  lost(): void;
  /** Called when revocations arrive again after an outage that was longer than `graceMs`. */
  outageEnded?(): void;
}

export interface RevocationsOptions {
  readonly clock: Clock;
  /** How long the session cache is still trusted after the push feed went down. */
  readonly graceMs: number;
  /** The position at which the revocation log starts. Default: 0. */
  readonly startMark?: number;
}

/**
 * Receives every revocation: from the push feed, from an operator, or from another gateway. It appends each revocation to the
 * log. Then it passes the revocation to all listeners in the order in which they joined: the session cache, then the hub.
 *
 * Both steps run synchronously. So a look-up or a subscription in flight finds the revocation in the log.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #log: RevocationLog;
  readonly #listeners: RevocationListener[] = [];
  /** When the push feed went down, on the monotonic clock; `undefined` while the push feed is up. */
  #feedDownSinceMs: number | undefined;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    this.#log = new RevocationLog(undefined, options.startMark);
    this.#feedDownSinceMs = options.clock.monotonic();
  }

  join(listener: RevocationListener): void {
    this.#listeners.push(listener);
  }

  /** Returns the current position in the revocation log, which increases with each revocation. */
  mark(): number {
    return this.#log.mark();
  }

  revokedSince(mark: number, deviceSessionId: string, userId: string): SinceMark {
    return this.#log.revokedSince(mark, deviceSessionId, userId);
  }

  /** Applies a revocation. Returns the number of streams that ended. */
  revoke(revocation: Revocation): number {
    this.#log.append(revocation);
    return this.#listeners.reduce((streams, listener) => streams + listener.revoke(revocation), 0);
  }

  /** Call this if revocations may have been lost. */
  lost(): void {
    // An empty revocation ends no session, but it increases `mark`. So a look-up from before this call has a lower mark. The hub
    // refuses subscriptions with such a look-up.
    this.#log.append({});
    for (const listener of this.#listeners) listener.lost();
  }

  /** Returns true if the push feed is up, or has been down for at most `graceMs`. */
  areArriving(): boolean {
    const downSinceMs = this.#feedDownSinceMs;
    return downSinceMs === undefined || this.#options.clock.monotonic() - downSinceMs <= this.#options.graceMs;
  }

  /** Call this when the push feed came up or went down. */
  feedChanged(isUp: boolean): void {
    const wereArriving = this.areArriving();
    this.#feedDownSinceMs = isUp ? undefined : this.#options.clock.monotonic();
    // From now on, the session cache is trusted again. But the feed may not have delivered all revocations of the outage yet.
    // So the listeners drop the sessions that were cached before the outage.
    if (isUp && !wereArriving) for (const listener of this.#listeners) listener.outageEnded?.();
  }
}
