/** Thrown if a connection was closed before its request was answered. */
export class ConnectionClosed extends Error {
  constructor() {
    super("the connection was closed after the request");
    this.name = "ConnectionClosed";
  }
}

/**
 * Waits for the next turn of the event loop, and then throws ConnectionClosed if the connection is closed. Await this function after the
 * body of a request is read and before the request takes effect.
 *
 * - Bun.serve closes a connection if a pipelined request (bun#38128) or a trailer section (bun#32887) arrives before the response.
 * - If these bytes arrive in the same read as the body, Bun delivers the body and then closes the connection in the same turn.
 * - This check prevents the execution of such a request, so its client can safely repeat it.
 * - Over TLS, the check sees the close only after the client has sent close_notify.
 */
export async function ensureConnectionOpen(request: Request): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (request.signal.aborted) throw new ConnectionClosed();
}
