import { type HeldCounts, LocalHeldCounts } from "../../core/held-counts.ts";
import { BodyTimers } from "./body-timers.ts";
import { FdBudget } from "./fd-budget.ts";
import type { ConnectionBound } from "./load-shedding.ts";

/**
 * Limits of client connections. Each limit has a default. Operators set the limits with the `connections.` keys of the
 * configuration.
 */
export interface ConnectionLimits {
  /** Counts the connections by listener and network. The workers of a gateway share the counts. */
  readonly counts: HeldCounts;
  /** Maximum number of open connections of one listener. */
  readonly totalMax: number;
  /**
   * The budget of file descriptors for the connections of all listeners. A connection takes one descriptor. A connection that
   * the loopback proxy forwards takes two more.
   */
  readonly fds: FdBudget;
  /**
   * Maximum number of open connections of one network: an IPv4 address or an IPv6 /64. Connections from trusted proxies are not
   * counted, because many clients share a proxy.
   */
  readonly perNetworkMax: number;
  /**
   * Maximum time until the first bytes of a connection show its protocol. The time includes the TLS handshake. If the mux listener
   * reads PROXY headers before TLS, the time starts again with the TLS handshake.
   */
  readonly firstBytesTimeoutMs: number;
  /**
   * Maximum number of requests on one HTTP/2 connection. When a connection reaches this number, it gets a GOAWAY, which makes
   * the client open another connection.
   */
  readonly requestsMax: number;
  /** Timers for request bodies. They limit the time from the first read of a body to its last byte. */
  readonly bodyTimers: BodyTimers;
  /** An HTTP/2 stream is reset if the client accepts none of its queued response bytes for this time. */
  readonly stallTimeoutMs: number;
  /** Called for each connection that is closed because a limit is exceeded. `network` is `undefined` for a trusted proxy. */
  readonly onShed: (network: string | undefined, bound: ConnectionBound) => void;
  /** Called when the number of open connections of a listener of this process changes. */
  readonly onCount: (listener: string, connections: number) => void;
  /** Interval of HTTP/2 PINGs. A client must answer each PING within this interval. */
  readonly pingIntervalMs: number;
  /** An HTTP/2 connection gets a GOAWAY after this time without streams. */
  readonly idleTimeoutMs: number;
}

const BODY_TIMEOUT_MS = 30_000;

const DEFAULTS: Omit<ConnectionLimits, "counts" | "fds" | "bodyTimers"> = {
  totalMax: 100_000,
  perNetworkMax: 2000,
  firstBytesTimeoutMs: 10_000,
  requestsMax: 100_000,
  stallTimeoutMs: 30_000,
  pingIntervalMs: 30_000,
  idleTimeoutMs: 300_000,
  onShed() {},
  onCount() {},
};

export function connectionLimits(limits: Partial<ConnectionLimits> = {}): ConnectionLimits {
  const own = { counts: new LocalHeldCounts(), fds: new FdBudget(), bodyTimers: new BodyTimers(BODY_TIMEOUT_MS) };
  return { ...DEFAULTS, ...own, ...limits };
}
