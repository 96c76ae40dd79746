/** The part of Bun's server that `drainServer` uses. */
export interface DrainableServer {
  /** Number of requests whose response is not yet written to the socket. */
  readonly pendingRequests: number;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

const CHECK_INTERVAL_MS = 20;
/**
 * After this time without a request in flight, in ms, the drain closes all connections. Until then, clients receive the last
 * response and send their close_notify.
 */
const IDLE_MS = 200;

/**
 * Stops accepting connections. Resolves when all requests in flight are answered and all connections are closed.
 *
 * Bun's `stop(false)` also waits for some connections without a request:
 *
 * - an idle TLS client that does not answer close_notify (RFC 8446 6.1 does not require an answer)
 * - a stalled TLS handshake (bun#42285)
 * - an incomplete request head
 *
 * Such a connection would delay the stop until the deadline of the shutdown. So all connections are closed when no request was
 * in flight for `idleMs`.
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

/**
 * Closes a server when no client uses it any more. The server must have stopped accepting connections.
 *
 * The server counts as unused if no request is in flight, and none has started for `unusedMs`. `unusedMs` must be longer than the
 * idle timeout of the server. Bun has then already closed all idle connections. `requests` returns the number of requests so far.
 */
export async function closeWhenUnused(server: DrainableServer, requests: () => number, unusedMs: number): Promise<void> {
  for (let before = -1; requests() !== before || server.pendingRequests > 0; ) {
    before = requests();
    await new Promise((resolve) => setTimeout(resolve, unusedMs).unref());
  }
  await server.stop(true);
}
