import type { Http2Session, ServerHttp2Stream } from "node:http2";

/**
 * One stream must not hold up the others of its connection (RFC 9113 5.2). In the runtime it does (Bun 1.4.5): while a client withholds one
 * stream's window, what is written to any stream of the connection is queued, and goes out only when something comes in. A PING's answer
 * comes in. Who does not even answer that gets nothing more, as if the socket were full.
 */

/** Written to since the last look. */
let written: ServerHttp2Stream[] = [];
/** Connections that owe the answer to a PING; whatever is queued by then goes out with it. */
const asked = new WeakSet<Http2Session>();

/** To be called after every write. */
export function ensureFlush(stream: ServerHttp2Stream): void {
  if (written.push(stream) === 1) setImmediate(look);
}

/** The runtime says only in the next turn whether a write went out. */
function look(): void {
  const streams = written;
  written = [];
  for (const stream of streams) if (stream.writableLength > 0) ask(stream.session);
}

function ask(session: Http2Session | undefined): void {
  if (session === undefined || session.destroyed || asked.has(session)) return;
  asked.add(session);
  session.ping(() => asked.delete(session));
}
