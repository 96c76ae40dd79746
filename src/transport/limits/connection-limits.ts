import { FdBudget } from "./fd-budget.ts";
import type { Bound } from "./load-shedding.ts";

/** What connections may cost. Every part has a default; the operator's choices are the `connections.` keys of the configuration. */
export interface ConnectionLimits {
  /** Connections open at once. */
  readonly totalMax: number;
  /** Files that they may hold open: one each, and two more where a connection is passed on within the process. */
  readonly files: FdBudget;
  /** … of one network: an address, or an IPv6 /64. Trusted proxies are exempt, for they bring everybody. */
  readonly perNetworkMax: number;
  /** Until a connection has said what it is; TLS has the same once more for its handshake. */
  readonly firstBytesTimeoutMs: number;
  /** Calls on one HTTP/2 connection; then its client is told to open another. */
  readonly requestsMax: number;
  /** From the first byte of a request's body to be read to its last. */
  readonly bodyTimeoutMs: number;
  /** How long a client may take nothing of an answer that waits for it. */
  readonly stallTimeoutMs: number;
  /** Told of each that is cut because there are too many. */
  readonly onShed: (network: string | undefined, bound: Bound) => void;
  /** How often an HTTP/2 client is asked whether it is there (PING); it has as long to answer. */
  readonly pingIntervalMs: number;
  /** An HTTP/2 connection without a stream is told to go away after this. */
  readonly idleTimeoutMs: number;
}

const DEFAULTS: Omit<ConnectionLimits, "files"> = {
  totalMax: 100_000,
  perNetworkMax: 2000,
  firstBytesTimeoutMs: 10_000,
  requestsMax: 100_000,
  bodyTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  pingIntervalMs: 30_000,
  idleTimeoutMs: 300_000,
  onShed() {},
};

export function connectionLimits(limits: Partial<ConnectionLimits> = {}): ConnectionLimits {
  return { ...DEFAULTS, files: new FdBudget(), ...limits };
}
