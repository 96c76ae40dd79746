/** The part of `Bun.serve`'s server that a drain needs. */
export interface DrainableServer {
  /** Requests whose answer the system has not taken yet. */
  readonly pendingRequests: number;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

const LOOK_EVERY_MS = 20;
/** Time for close_notify, and for what the system has taken of the last answer. */
const QUIET_MS = 200;

/**
 * Stops accepting, and resolves when the requests under way are answered.
 *
 * Bun.serve's own `stop(false)` waits for connections: over TLS also for an idle one whose client does not answer close_notify (RFC 8446
 * 6.1 does not demand it), for a handshake that stands still (bun#42285) and for the first half of a request's head. A client holds a stop
 * up so until the deadline. So connections without a request are cut once no request has been under way for `quietMs`.
 */
export async function drainServer(server: DrainableServer, quietMs: number = QUIET_MS): Promise<void> {
  let isStopped = false;
  const stopped = server.stop(false).then(() => {
    isStopped = true;
  });
  for (let quietForMs = 0; !isStopped && quietForMs < quietMs; ) {
    await Promise.race([stopped, Bun.sleep(LOOK_EVERY_MS)]);
    quietForMs = server.pendingRequests === 0 ? quietForMs + LOOK_EVERY_MS : 0;
  }
  if (!isStopped) await server.stop(true);
}
