/** The remote end of a call, after trusted proxies are resolved. */
export interface Peer {
  /** The client's address in canonical text. */
  readonly address: string;
  /**
   * The client's network: an IPv4 address, or the /64 block of an IPv6 address. Budgets per network use it as their key, because
   * one client may control a whole /64.
   */
  readonly network: string;
}

/**
 * Stores which request ids each session has used.
 *
 * - `reserve` is atomic. Of all calls with the same session and request id, exactly one resolves to `true`, even if the calls
 *   are concurrent or come from several hosts.
 * - A reservation is never lost before `expiresAtMs` (Unix milliseconds).
 * - If the store is full or unreachable, `reserve` throws `REPLAY_STORE_UNAVAILABLE`.
 */
export interface ReplayStore {
  reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): boolean | Promise<boolean>;
}
