import type { Http2Session, ServerHttp2Stream } from "node:http2";

/**
 * A workaround for Bun 1.4.5. If the flow-control window of one stream is exhausted, Bun flushes the queued writes of all streams of the
 * connection only when data arrives. One stalled stream thus blocks the other streams, although RFC 9113 5.2 forbids this.
 *
 * A PING makes the client send data, and the data makes Bun flush. A client that does not answer the PING gets no more data, as if its
 * socket were full.
 */

/** The streams to which data was written in this turn of the event loop. */
let written: ServerHttp2Stream[] = [];
/** Connections whose PING is not answered yet. When the answer arrives, Bun flushes all queued writes of the connection. */
const pinged = new WeakSet<Http2Session>();

/** Must be called after every write to a stream. */
export function ensureFlush(stream: ServerHttp2Stream): void {
  if (written.push(stream) === 1) setImmediate(flushWritten);
}

/** Sends a PING if a stream has queued bytes. Runs in the next turn of the event loop, because `writableLength` is correct only then. */
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
