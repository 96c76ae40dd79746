import { awaitsEnd, UNREAD_WAIT_MS } from "../unread-body.ts";

/**
 * Reads and discards an unread request body with a small Content-Length, before the answer is sent. Returns `undefined` if the
 * answer need not wait.
 *
 * - If the answer to an HTTP/2 request ends before the request body, Bun 1.4.5 resets the stream immediately (see `awaitsEnd`).
 * - Bun does not show the HTTP version of a request. A request with a Connection header is HTTP/1.1 (RFC 9113 8.2.2), so its answer
 *   does not wait. A request without this header may be HTTP/2, so its answer waits.
 */
export function discardUnread(request: Request): Promise<void> | undefined {
  if (request.bodyUsed || request.headers.has("connection") || !awaitsEnd(request.headers)) return undefined;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, UNREAD_WAIT_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    request.bytes().then(done, done);
  });
}
