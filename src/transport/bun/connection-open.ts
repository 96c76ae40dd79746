/** The connection was closed before its request could be answered. */
export class ConnectionClosed extends Error {
  constructor() {
    super("the connection was closed behind the request");
    this.name = "ConnectionClosed";
  }
}

/**
 * To be awaited between a request's body and what the request is for. Throws ConnectionClosed if nobody will have the answer.
 *
 * Bun.serve closes a connection on which another request (bun#38128), or a trailer section (bun#32887), comes before the answer. If it
 * came in the same read as the body, the connection is closed in the same turn of the event loop, but after the body was handed out. So a
 * command that waits for the next turn is not executed without an answer, and its client can repeat it. Over TLS the close waits for the
 * client's close_notify, and nothing tells of it before.
 */
export async function ensureConnectionOpen(request: Request): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (request.signal.aborted) throw new ConnectionClosed();
}
