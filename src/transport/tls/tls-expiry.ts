import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import type { TlsExpiry } from "./tls-check.ts";

export interface TlsExpiryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const DAY_MS = 86_400_000;
/** 90-day certificates are renewed 30 days before they expire. At 14 days, renewals have failed for two weeks. */
const WARN_DAYS = 14;

/** Reports certificate expiry as a metric, and with one log line per day from 14 days before it. */
export class TlsExpiryWatch {
  readonly #parts: TlsExpiryParts;
  /** Monotonic time of the last log line, by file and message. */
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

  /** The certificates were replaced: warnings start over. */
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
