/** The connection was closed before its request was answered. */
export class ConnectionClosed extends Error {
  constructor() {
    super("the connection was closed after the request");
    this.name = "ConnectionClosed";
  }
}

/**
 * Waits for the next turn of the event loop, and throws ConnectionClosed if the connection is closed by then. Must be awaited after a
 * request's body is read and before the request takes effect.
 *
 * Bun.serve closes a connection on which a pipelined request (bun#38128) or a trailer section (bun#32887) arrives before the response. If
 * it arrives in the same read as the body, Bun closes the connection in the same turn, but after it has delivered the body. This check
 * keeps such a command from being executed without an answer, so that its client can repeat it. Over TLS, the close is only visible after
 * the client's close_notify.
 */
export async function ensureConnectionOpen(request: Request): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (request.signal.aborted) throw new ConnectionClosed();
}
