import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import type { TlsExpiry } from "./tls-check.ts";

export interface TlsExpiryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const DAY_MS = 86_400_000;
/**
 * Warnings start this many days before the expiry. A 90-day certificate is usually renewed 30 days before it expires. When the
 * warnings start, renewal has thus failed for about two weeks.
 */
const WARN_DAYS = 14;

/**
 * Reports the expiry of certificates as a metric. Also logs one warning per day, starting `WARN_DAYS` days before the expiry.
 */
export class TlsExpiryWatch {
  readonly #parts: TlsExpiryParts;
  /** For each pair of file and message: the time of the last log line, in ms of `clock.monotonic()`. */
  readonly #warnedAtMs = new Map<string, number>();

  constructor(parts: TlsExpiryParts) {
    this.#parts = parts;
  }

  check(expiries: readonly TlsExpiry[]): void {
    for (const expiry of expiries) {
      this.#parts.metrics.gauge("sallyport_tls_certificate_expiry_seconds", Math.floor(expiry.expiresMs / 1000), {
        file: expiry.file,
      });
      this.#warn(expiry);
    }
  }

  /**
   * Must be called after the certificates are replaced. Clears the times of earlier warnings, so that a warning about a new
   * certificate is logged immediately.
   */
  renewed(): void {
    this.#warnedAtMs.clear();
  }

  #warn({ file, expiresMs }: TlsExpiry): void {
    const { clock, log } = this.#parts;
    const days = (expiresMs - clock.now()) / DAY_MS;
    const message = days < 0 ? "tls certificate expired" : "tls certificate expires soon";
    const warnedAtMs = this.#warnedAtMs.get(file + message);
    if (days > WARN_DAYS || (warnedAtMs !== undefined && clock.monotonic() - warnedAtMs < DAY_MS)) return;
    this.#warnedAtMs.set(file + message, clock.monotonic());
    const fields = { file, expires: new Date(expiresMs).toISOString(), days: Math.floor(days) };
    if (days < 0) log.error(message, fields);
    else log.warn(message, fields);
  }
}
