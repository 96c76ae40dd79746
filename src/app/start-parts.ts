import { messageOf } from "../core/cause.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";
import { shortenDnsCache } from "../transport/linux/dns-cache.ts";

/** Reduces the time for which Bun caches DNS results. If this fails, logs a warning. Bun then caches a result for 30 s. */
export function limitDnsCache(log: Log): void {
  try {
    shortenDnsCache();
  } catch (error) {
    log.warn("DNS cache lifetime not reduced", { current_lifetime_seconds: 30, cause: messageOf(error) });
  }
}

/**
 * Returns a function that takes a log message and returns a revoke function. The revoke function applies one revocation, logs
 * the message, and returns the number of ended streams.
 */
export function loggedRevoke(revocations: Revocations, log: Log) {
  return (message: string) => (revocation: Revocation) => {
    const { deviceSessionId: device_session_id, userId: user_id } = revocation;
    const streams = revocations.revoke(revocation);
    log.info(message, { device_session_id, user_id, streams });
    return streams;
  };
}
