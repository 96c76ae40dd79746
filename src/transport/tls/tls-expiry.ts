import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics } from "../../core/ports.ts";
import type { TlsExpiry } from "./tls-check.ts";

export interface TlsExpiryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const DAY_MS = 86_400_000;
/** Certificates that live for 90 days are renewed 30 days before their end: at 14, two weeks of renewals have failed. */
const WARN_DAYS = 14;

/** Shows when certificates expire: as a metric, and from 14 days before as a warning a day. */
export class TlsExpiryWatch {
  readonly #parts: TlsExpiryParts;
  /** By file, and whether it had expired. */
  readonly #warnedAtMs = new Map<string, number>();

  constructor(parts: TlsExpiryParts) {
    this.#parts = parts;
  }

  look(expiries: readonly TlsExpiry[]): void {
    for (const expiry of expiries) {
      this.#parts.metrics.gauge("sallyport_tls_certificate_expiry_seconds", Math.floor(expiry.expiresMs / 1000), {
        file: expiry.file,
      });
      this.#warn(expiry);
    }
  }

  /** Other certificates are served: what was said of the old ones does not hold for them. */
  renewed(): void {
    this.#warnedAtMs.clear();
  }

  #warn({ file, expiresMs }: TlsExpiry): void {
    const { clock, log } = this.#parts;
    const days = (expiresMs - clock.now()) / DAY_MS;
    const what = days < 0 ? "tls: certificate expired" : "tls: certificate expires soon";
    const warnedAtMs = this.#warnedAtMs.get(file + what);
    if (days > WARN_DAYS || (warnedAtMs !== undefined && clock.monotonic() - warnedAtMs < DAY_MS)) return;
    this.#warnedAtMs.set(file + what, clock.monotonic());
    const fields = { file, expires: new Date(expiresMs).toISOString(), days: Math.floor(days) };
    if (days < 0) log.error(what, fields);
    else log.warn(what, fields);
  }
}
