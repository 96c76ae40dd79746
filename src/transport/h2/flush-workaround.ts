import type { Http2Session, ServerHttp2Stream } from "node:http2";

/**
 * Bun 1.4.5 flushes queued HTTP/2 writes only when data arrives, if the flow-control window of any stream on the connection is exhausted.
 * So one stalled stream blocks the others (RFC 9113 5.2 forbids that). A PING makes the client send data. A client that does not answer it
 * gets nothing more, as if the socket were full.
 */

/** Streams written to in this turn of the event loop. */
let written: ServerHttp2Stream[] = [];
/** Connections whose PING is unanswered. The answer flushes everything that is queued by then. */
const pinged = new WeakSet<Http2Session>();

/** Must be called after every write to a stream. */
export function ensureFlush(stream: ServerHttp2Stream): void {
  if (written.push(stream) === 1) setImmediate(flushWritten);
}

/** Runs in the next turn: only then does the runtime report whether a write was sent. */
function flushWritten(): void {
  const streams = written;
  written = [];
  for (const stream of streams) if (stream.writableLength > 0) ping(stream.session);
}

function ping(connection: Http2Session | undefined): void {
  if (connection === undefined || connection.destroyed || pinged.has(connection)) return;
  pinged.add(connection);
  connection.ping(() => pinged.delete(connection));
}
