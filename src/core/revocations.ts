import type { Clock } from "./clock.ts";
import { RevocationLog, type SinceMark } from "./revocation-log.ts";
import type { Revocation } from "./sessions.ts";

/** A part whose state depends on which sessions are active. */
export interface RevocationListener {
  /** Applies the revocation. Returns how many streams ended. */
  revoke(revocation: Revocation): number;
  /** Revocations may have been lost: cached state may be wrong. */
  lost(): void;
  /** Revocations arrive again after an outage longer than the grace. */
  outageEnded?(): void;
}

export interface RevocationsOptions {
  readonly clock: Clock;
  /** How long after the push feed went down the session cache is still trusted. */
  readonly graceMs: number;
}

/**
 * The one place that every revocation passes, from the push feed, an operator or another gateway. It enters the log first, then each
 * listener in the order in which they joined (the session cache, then the hub), synchronously: a look-up or a subscription in flight
 * finds it in the log.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #log = new RevocationLog();
  readonly #listeners: RevocationListener[] = [];
  /** On the monotonic clock; `undefined` while the push feed is up. */
  #feedDownSinceMs: number | undefined;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    this.#feedDownSinceMs = options.clock.monotonic();
  }

  join(listener: RevocationListener): void {
    this.#listeners.push(listener);
  }

  /** The current position in the log of revocations. */
  mark(): number {
    return this.#log.mark();
  }

  revokedSince(mark: number, deviceSessionId: string, userId: string): SinceMark {
    return this.#log.revokedSince(mark, deviceSessionId, userId);
  }

  /** Returns how many streams ended. */
  revoke(revocation: Revocation): number {
    this.#log.append(revocation);
    return this.#listeners.reduce((streams, listener) => streams + listener.revoke(revocation), 0);
  }

  /** Revocations may have been lost. */
  lost(): void {
    // An empty revocation concerns no session. It moves the mark, which separates earlier look-ups from later ones.
    this.#log.append({});
    for (const listener of this.#listeners) listener.lost();
  }

  /** Whether revocations arrive: the push feed is up, or has been down for no longer than the grace. */
  areArriving(): boolean {
    const downSinceMs = this.#feedDownSinceMs;
    return downSinceMs === undefined || this.#options.clock.monotonic() - downSinceMs <= this.#options.graceMs;
  }

  /** The push feed came up or went down. */
  feedChanged(isUp: boolean): void {
    const wereArriving = this.areArriving();
    this.#feedDownSinceMs = isUp ? undefined : this.#options.clock.monotonic();
    // The feed may still deliver revocations of what was cached before, and the cache is trusted again from now on.
    if (isUp && !wereArriving) for (const listener of this.#listeners) listener.outageEnded?.();
  }
}
