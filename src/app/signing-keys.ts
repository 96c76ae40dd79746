import type { Config } from "../config/schema.ts";
import { loadSeeds } from "../config/seeds.ts";
import type { Clock } from "../core/clock.ts";
import { KEY_SET_AGE_MS_MAX } from "../core/keys.ts";
import type { Prepared } from "../core/reload.ts";
import type { Log } from "../core/telemetry.ts";
import { KeyRing, type KeySeeds } from "../crypto/key-ring.ts";
import type { ReloadPart } from "./reload.ts";

/** Interval at which `keys.rotate_at` is compared with the clock, in ms. */
const CHECK_MS = 1000;

interface SigningKeysParts {
  readonly clock: Clock;
  /** The log for changes of the signing key. It is `undefined` in workers, because the supervisor logs the same change. */
  readonly log?: Log | undefined;
}

interface Settings {
  readonly seeds: KeySeeds;
  readonly rotateAtMs: number;
}

/** The signing keys of the configuration, and their rotation at `keys.rotate_at`. */
export class SigningKeys implements ReloadPart {
  readonly ring: KeyRing;
  readonly #parts: SigningKeysParts;
  readonly #timer: Timer;
  #settings: Settings;
  /** Maps a key id to the monotonic time at which the key was first published, in ms. -Infinity: published since the start. */
  readonly #publishedMs = new Map<string, number>();

  /** Throws `ConfigError` if a key cannot be read. */
  constructor(config: Config, parts: SigningKeysParts) {
    this.#parts = parts;
    this.#settings = settingsOf(config, undefined);
    this.ring = this.#ringOf(this.#settings);
    this.#note(Number.NEGATIVE_INFINITY);
    this.#timer = setInterval(() => this.check(), CHECK_MS).unref();
  }

  /** Reads the seed files. Returns the configuration with the contents of these files in `keys.*`. Throws `ConfigError`. */
  inline(config: Config): Config {
    const { current, next, previous } = settingsOf(config, this.#settings.seeds).seeds;
    return {
      ...config,
      "keys.current": textOf(current),
      "keys.next": next && textOf(next),
      "keys.previous": previous && textOf(previous),
      "keys.current_file": undefined,
      "keys.next_file": undefined,
      "keys.previous_file": undefined,
    };
  }

  /** `inline`: the result of `inline` for `next`, if the files have already been read. */
  prepare(next: Config, inline = next): Prepared {
    const settings = settingsOf(inline, this.#settings.seeds);
    const ring = this.#ringOf(settings);
    return {
      commit: () => {
        this.#settings = settings;
        this.#use(ring);
        this.#warnOfEarlyRotation();
      },
      changedFiles: this.#changedFiles(next, settings.seeds),
    };
  }

  /** Returns the settings of `next` that name a file with another key than the key in use. */
  #changedFiles(next: Config, seeds: KeySeeds): readonly string[] {
    return (["current", "next", "previous"] as const)
      .filter((role) => !Bun.deepEquals(seeds[role], this.#settings.seeds[role]))
      .map((role) => `keys.${role}_file` as const)
      .filter((setting) => next[setting] !== undefined);
  }

  /** Rotates the keys if `keys.rotate_at` has passed. */
  check(): void {
    if (!isDue(this.#settings, this.#parts.clock.now())) return;
    const ring = this.#ringOf(this.#settings);
    if (ring.keyId !== this.ring.keyId) this.#use(ring);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #ringOf(settings: Settings): KeyRing {
    return new KeyRing(isDue(settings, this.#parts.clock.now()) ? rotated(settings.seeds) : settings.seeds);
  }

  #use(ring: KeyRing): void {
    const { log, clock } = this.#parts;
    const nowMs = clock.monotonic();
    const isChanged = ring.keyId !== this.ring.keyId;
    const publishedMs = nowMs - (this.#publishedMs.get(ring.keyId) ?? nowMs);
    this.ring.adopt(ring);
    this.#note(nowMs);
    if (!isChanged) return;
    log?.info("signing key changed", { key_id: ring.keyId });
    if (publishedMs < KEY_SET_AGE_MS_MAX) log?.warn("signing key not published for long enough", { published_ms: publishedMs });
  }

  /** Logs a warning if clients may not know the next key yet when it begins to sign. */
  #warnOfEarlyRotation(): void {
    const { log, clock } = this.#parts;
    const { seeds, rotateAtMs } = this.#settings;
    const untilRotationMs = rotateAtMs - clock.now();
    if (seeds.next === undefined || !(untilRotationMs > 0)) return;
    const { keyId } = new KeyRing({ current: seeds.next });
    const nowMs = clock.monotonic();
    const publishedMs = nowMs + untilRotationMs - (this.#publishedMs.get(keyId) ?? nowMs);
    if (publishedMs >= KEY_SET_AGE_MS_MAX) return;
    log?.warn("signing key rotation too early", {
      rotate_at: new Date(rotateAtMs).toISOString(),
      published_ms: Math.round(publishedMs),
      expected_ms: KEY_SET_AGE_MS_MAX,
    });
  }

  #note(nowMs: number): void {
    for (const { kid } of this.ring.jwks.keys) if (!this.#publishedMs.has(kid)) this.#publishedMs.set(kid, nowMs);
  }
}

/**
 * If no key is configured, as in `sallyport dev`, keeps the current key of `before`. At the start, `before` is
 * `undefined`, and a random key is used.
 */
function settingsOf(config: Config, before: KeySeeds | undefined): Settings {
  const { current, next, previous } = loadSeeds(config);
  const used = current ?? before?.current ?? crypto.getRandomValues(new Uint8Array(32));
  return { seeds: { current: used, next, previous }, rotateAtMs: Date.parse(config["keys.rotate_at"] ?? "") };
}

function isDue({ seeds, rotateAtMs }: Settings, nowMs: number): boolean {
  return seeds.next !== undefined && nowMs >= rotateAtMs;
}

/** Makes the next key the signing key. The other keys stay published until the configuration changes. */
function rotated({ current, next = current, previous }: KeySeeds): KeySeeds {
  return { current: next, previous: current, next: previous };
}

function textOf(seed: Uint8Array): string {
  return Buffer.from(seed).toString("base64");
}
