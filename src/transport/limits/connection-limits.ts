import { BodyTimers } from "./body-timers.ts";
import { FdBudget } from "./fd-budget.ts";
import type { ConnectionBound } from "./load-shedding.ts";

/** Bounds of client connections. Each has a default; operators set them with the `connections.` keys of the configuration. */
export interface ConnectionLimits {
  /** Open connections of one listener. */
  readonly totalMax: number;
  /** File descriptors of all listeners: one per connection, and two more if the loopback proxy forwards it. */
  readonly fds: FdBudget;
  /** Open connections of one network: an IPv4 address, or an IPv6 /64. Trusted proxies are exempt: many clients share them. */
  readonly perNetworkMax: number;
  /** Time until a new connection's protocol is known. A TLS handshake has the same time in addition. */
  readonly firstBytesTimeoutMs: number;
  /** Requests on one HTTP/2 connection. After the last, a GOAWAY makes the client open another connection. */
  readonly requestsMax: number;
  /** Timers that limit the time in which a request's body must arrive, from the first read to the last byte. */
  readonly bodyTimers: BodyTimers;
  /** Time for which a client may accept no byte of a response that is queued for it. */
  readonly stallTimeoutMs: number;
  /** Called for each connection that is closed because a limit is exceeded. */
  readonly onShed: (network: string | undefined, bound: ConnectionBound) => void;
  /** Interval of HTTP/2 PINGs. A client must answer one before the next is due. */
  readonly pingIntervalMs: number;
  /** Time after which an HTTP/2 connection without streams gets a GOAWAY. */
  readonly idleTimeoutMs: number;
}

const BODY_TIMEOUT_MS = 30_000;

const DEFAULTS: Omit<ConnectionLimits, "fds" | "bodyTimers"> = {
  totalMax: 100_000,
  perNetworkMax: 2000,
  firstBytesTimeoutMs: 10_000,
  requestsMax: 100_000,
  stallTimeoutMs: 30_000,
  pingIntervalMs: 30_000,
  idleTimeoutMs: 300_000,
  onShed() {},
};

export function connectionLimits(limits: Partial<ConnectionLimits> = {}): ConnectionLimits {
  return { ...DEFAULTS, fds: new FdBudget(), bodyTimers: new BodyTimers(BODY_TIMEOUT_MS), ...limits };
}
