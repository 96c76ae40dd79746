/** The part of Bun's server that a drain needs. */
export interface DrainableServer {
  /** Requests whose response is not yet written to the socket. */
  readonly pendingRequests: number;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

const CHECK_INTERVAL_MS = 20;
/** Time for the client's close_notify, and for the last response to leave the kernel's send buffer. */
const IDLE_MS = 200;

/**
 * Stops accepting, and resolves when the requests in flight are answered.
 *
 * Bun's `stop(false)` also waits for connections without a request: over TLS for an idle client that does not answer close_notify (RFC 8446
 * 6.1 does not require it), for a stalled handshake (bun#42285) and for an incomplete request head. Such a client would delay a stop until
 * its deadline. So all connections are closed once no request has been in flight for `idleMs`.
 */
export async function drainServer(server: DrainableServer, idleMs: number = IDLE_MS): Promise<void> {
  let isStopped = false;
  const stopped = server.stop(false).then(() => {
    isStopped = true;
  });
  for (let idleForMs = 0; !isStopped && idleForMs < idleMs; ) {
    await Promise.race([stopped, Bun.sleep(CHECK_INTERVAL_MS)]);
    idleForMs = server.pendingRequests === 0 ? idleForMs + CHECK_INTERVAL_MS : 0;
  }
  if (!isStopped) await server.stop(true);
}
