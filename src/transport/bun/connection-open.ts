/** Thrown if a connection was closed before its request was answered. */
export class ConnectionClosed extends Error {
  constructor() {
    super("the connection was closed after the request");
    this.name = "ConnectionClosed";
  }
}

/**
 * Throws ConnectionClosed if the connection of the request is closed. Await this function after the body is read and before the
 * request takes effect. If it throws, the request has no effect, so the client can safely repeat it.
 *
 * Bun.serve closes a connection if a pipelined request (bun#38128) or a trailer section (bun#32887) arrives before the response. If
 * these bytes arrive together with the body, Bun delivers the body and closes the connection later in the same turn of the event
 * loop. So this function first waits for the next turn.
 *
 * Over TLS, this function detects a closed connection only after the client has sent close_notify.
 */
export async function ensureConnectionOpen(request: Request): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (request.signal.aborted) throw new ConnectionClosed();
}
