import type { ServerHttp2Stream } from "node:http2";
import type { Peer } from "../../core/admission.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { BodySource } from "../../rpc/http.ts";
import { ensureFlush } from "./flush-workaround.ts";
import { dropUnreadRequest, type H2Request, refuseRestOfRequest, responseHeaders } from "./h2-host.ts";

/** A fetch handler. `path` is the path as the client sent it. The path in `request.url` is normalised, so it may differ. */
export type AnswerRequest = (request: Request, path: string, peer: Peer) => Response | Promise<Response>;

/**
 * Answers a request of `node:http2` with a fetch handler. If the stream closes before the handler returns, no response is sent.
 */
export async function answerStream(stream: ServerHttp2Stream, incoming: H2Request, answer: AnswerRequest): Promise<void> {
  const source = incoming.method === "GET" || incoming.method === "HEAD" ? undefined : incoming.body();
  const request = fetchRequest(incoming, source);
  const response =
    request === undefined ? new RestError("not_implemented").toResponse() : await answer(request, incoming.path, incoming.peer);
  if (stream.destroyed || stream.closed) return void response.body?.cancel().catch(() => {});
  stream.once("finish", () => refuseRestOfRequest(stream, incoming));
  stream.respond(responseHeaders(response.status, response.headers), { endStream: response.body === null });
  // Discards the unread bytes of the request body.
  source?.cancel();
  if (response.body !== null) await send(stream, response.body);
  dropUnreadRequest(stream);
}

/**
 * Creates a fetch Request. Returns `undefined` if fetch forbids the method (CONNECT, TRACE), or if Bun replaces the method with
 * another one (bun#21566).
 */
function fetchRequest(incoming: H2Request, source: BodySource | undefined): Request | undefined {
  const { method, path, query } = incoming;
  const headers = incoming.allHeaders();
  // The runtime does not compare this header with the body. If the header stayed, the reader of the body would trust it.
  headers.delete("content-length");
  const body = source === undefined ? null : streamOf(source);
  try {
    const request = new Request(`http://edge${path}?${query}`, { method, headers, body, signal: incoming.signal() });
    return request.method === method ? request : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the body as a ReadableStream without a queue. The stream reads from the client only when its reader needs bytes. */
function streamOf(source: BodySource): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await source.read();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => source.cancel(),
    },
    { highWaterMark: 0 },
  );
}

/** Writes a body to the stream, and waits while the stream applies backpressure. Stops early if the stream closes. */
async function send(stream: ServerHttp2Stream, body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  stream.once("close", () => reader.cancel().catch(() => {}));
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (stream.destroyed) return;
    const isTaken = stream.write(part.value);
    ensureFlush(stream);
    if (!isTaken) await drained(stream);
  }
  stream.end();
}

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
