import { constants, type ServerHttp2Stream } from "node:http2";
import type { Peer } from "../../core/admission.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { BodySource } from "../../rpc/http.ts";
import { ensureFlush } from "./flush-workaround.ts";
import { type H2Request, refuseRestOfRequest } from "./h2-host.ts";

/** A fetch handler. `path`: as the client sent it; `request.url` has it normalised. */
export type AnswerRequest = (request: Request, path: string, peer: Peer) => Response | Promise<Response>;

/** Answers a stream of `node:http2` by a fetch handler. Does nothing if the stream has closed meanwhile. */
export async function answerStream(stream: ServerHttp2Stream, incoming: H2Request, answer: AnswerRequest): Promise<void> {
  const source = incoming.method === "GET" || incoming.method === "HEAD" ? undefined : incoming.body();
  const request = fetchRequest(incoming, source);
  const response =
    request === undefined ? new RestError("not_implemented").toResponse() : await answer(request, incoming.path, incoming.peer);
  if (stream.destroyed || stream.closed) return void response.body?.cancel().catch(() => {});
  stream.once("finish", () => refuseRestOfRequest(stream));
  const fields = { [constants.HTTP2_HEADER_STATUS]: response.status, ...Object.fromEntries(response.headers) };
  stream.respond(fields, { endStream: response.body === null });
  // Discards the unread rest of the request.
  source?.cancel();
  if (response.body !== null) await send(stream, response.body);
  if (!stream.readableEnded) stream.resume();
}

/** `undefined` for a method that fetch forbids (CONNECT, TRACE) or that Bun replaces with another (bun#21566). */
function fetchRequest(incoming: H2Request, source: BodySource | undefined): Request | undefined {
  const { method, path, query } = incoming;
  const headers = incoming.allHeaders();
  // The announced length is not enforced here, so a reader must count the bytes itself.
  headers.delete("content-length");
  const body = source === undefined ? null : streamOf(source);
  try {
    const request = new Request(`http://edge${path}?${query}`, { method, headers, body, signal: incoming.signal() });
    return request.method === method ? request : undefined;
  } catch {
    return undefined;
  }
}

/** A stream without a queue: it reads from the client only on demand. */
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

/** Writes a body with backpressure. Stops when the body or the stream ends. */
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
