import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/telemetry.ts";
import { lookUpName } from "./name-lookup.ts";
import type { DnsSettings } from "./settings.ts";

export interface NameWatchOptions {
  readonly upstream: string;
  readonly name: string;
  readonly dns: DnsSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the addresses have changed. */
  readonly onChange: (addresses: readonly string[]) => void;
}

/** Minimum time between two look-ups of a name. It also applies if the TTL is 0 or if connections fail. */
const LOOK_UP_MS_MIN = 1000;
/** Maximum TTL that is used, in ms. A longer TTL is cut to it, because a wrong TTL would prolong an outage. */
const TTL_MS_MAX = 300_000;

/**
 * Keeps the addresses of a name current. Repeats the look-up when the TTL ends, or soon after a connection has failed. If a
 * look-up fails, the last addresses stay in use.
 */
export class NameWatch {
  /** Resolves when the first look-up has ended. */
  readonly first: Promise<void>;
  readonly #options: NameWatchOptions;
  #known: readonly string[];
  #timer: Timer | undefined;
  #lookedUpMs = Number.NEGATIVE_INFINITY;
  #isLookingUp = false;
  #isFailing = false;
  #isStopped = false;

  /** `known`: the addresses that are used until the first look-up succeeds. */
  constructor(options: NameWatchOptions, known: readonly string[] = []) {
    this.#options = options;
    this.#known = known;
    // The first look-up starts in a microtask, so that a configuration check can still call `stop` before any look-up.
    this.first = Promise.resolve().then(() => this.#lookUp());
  }

  /** Starts a look-up as soon as `LOOK_UP_MS_MIN` has passed since the last one. Call this after a failed connection. */
  refreshSoon(): void {
    if (this.#isLookingUp || this.#isStopped) return;
    const sinceMs = this.#options.clock.monotonic() - this.#lookedUpMs;
    this.#plan(Math.max(0, LOOK_UP_MS_MIN - sinceMs));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #plan(delayMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#lookUp(), delayMs).unref();
  }

  async #lookUp(): Promise<void> {
    const { name, dns, clock } = this.#options;
    if (this.#isStopped) return;
    this.#isLookingUp = true;
    this.#lookedUpMs = clock.monotonic();
    let delayMs = dns.refreshMs;
    try {
      const { addresses, ttlMs } = await lookUpName(name, dns);
      delayMs = nextLookUpMs(ttlMs, dns.refreshMs);
      if (!this.#isStopped) this.#found(addresses);
    } catch (cause) {
      this.#failed(cause);
    }
    this.#isLookingUp = false;
    this.#plan(delayMs);
  }

  #found(addresses: readonly string[]): void {
    const { upstream, name, log, onChange } = this.#options;
    this.#isFailing = false;
    if (Bun.deepEquals(addresses, this.#known)) return;
    log.info("upstream addresses changed", { upstream, host_name: name, addresses: addresses.join(" ") });
    this.#known = addresses;
    onChange(addresses);
  }

  #failed(cause: unknown): void {
    const { upstream, name, log } = this.#options;
    if (!this.#isFailing && !this.#isStopped) {
      const last_addresses = this.#known.join(" ");
      log.warn("upstream host name not resolved", { upstream, host_name: name, last_addresses, cause: describeCause(cause) });
    }
    this.#isFailing = true;
  }
}

/** Returns the time until the next look-up, in ms. `ttlMs`: the TTL of the answer; `undefined` if the resolver returns none. */
export function nextLookUpMs(ttlMs: number | undefined, refreshMs: number): number {
  return ttlMs === undefined ? refreshMs : Math.min(Math.max(ttlMs, LOOK_UP_MS_MIN), TTL_MS_MAX);
}
