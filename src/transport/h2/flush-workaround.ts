import type { Http2Session, ServerHttp2Stream } from "node:http2";

/**
 * A workaround for Bun 1.4.5. If the flow-control window of one stream is exhausted, Bun stops sending the queued writes of all
 * streams of the connection. It continues only when data arrives from the client. RFC 9113 5.2 forbids that one stalled stream
 * blocks the others.
 *
 * The workaround sends a PING. The client's answer is data, so Bun sends the queued writes. A client that does not answer the
 * PING gets no more data.
 */

/** The streams to which data was written in this turn of the event loop. */
let written: ServerHttp2Stream[] = [];
/** Connections whose PING is not answered yet. When the answer arrives, Bun sends all queued writes of the connection. */
const pinged = new WeakSet<Http2Session>();

/** Must be called after every write to a stream. */
export function ensureFlush(stream: ServerHttp2Stream): void {
  if (written.push(stream) === 1) setImmediate(flushWritten);
}

/**
 * Sends a PING on the connection of each stream in `written` that still has queued bytes. Runs one turn of the event loop after the
 * write, because `writableLength` is correct only then.
 */
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
