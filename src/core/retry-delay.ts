import type { Reason } from "./reasons.ts";

/** A delay is random, from `minMs` to `minMs + spreadMs`. */
interface DelayRange {
  readonly minMs: number;
  readonly spreadMs: number;
}

/**
 * The delay after which a client opens a new stream, by the refusal that ended or prevented its stream. The delays are random,
 * so clients whose streams end together do not reconnect together.
 */
const DELAYS: Partial<Record<Reason, DelayRange>> = {
  // `Hub.tick` ends all expired streams about once a second. The delay spreads their clients over one second.
  STREAM_EXPIRED: { minMs: 100, spreadMs: 1000 },
  SLOW_CONSUMER: { minMs: 1000, spreadMs: 4000 },
  TOO_MANY_STREAMS: { minMs: 1000, spreadMs: 9000 },
};

/** A stopping gateway spreads its clients so that about one of them reconnects per millisecond. */
const SHUTDOWN_MS_PER_STREAM = 1;
const SHUTDOWN_MIN_MS = 100;
const SHUTDOWN_SPREAD_MIN_MS = 1000;
const SHUTDOWN_SPREAD_MAX_MS = 30_000;

/**
 * Returns the random delay after which a client may retry, in ms. Returns `undefined` if a retry is useless.
 *
 * - `streams`: number of open streams at the start of the shutdown. The delay of SHUTTING_DOWN grows with it, up to a bound.
 * - `random`: returns a random number, uniform in [0, 1).
 */
export function retryDelayMs(reason: Reason, streams: number, random: () => number): number | undefined {
  const range = reason === "SHUTTING_DOWN" ? shutdownRange(streams) : DELAYS[reason];
  return range && range.minMs + range.spreadMs * random();
}

function shutdownRange(streams: number): DelayRange {
  const wanted = streams * SHUTDOWN_MS_PER_STREAM;
  const spreadMs = Math.min(Math.max(wanted, SHUTDOWN_SPREAD_MIN_MS), SHUTDOWN_SPREAD_MAX_MS);
  return { minMs: SHUTDOWN_MIN_MS, spreadMs };
}
