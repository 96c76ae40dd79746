import type { Peer } from "../../core/admission.ts";
import {
  type BodySource,
  BodyTooLarge,
  BodyTooScattered,
  BodyTooSlow,
  type HttpReply,
  type HttpRequest,
  type HttpStreamReply,
  isScattered,
} from "../../rpc/http.ts";
import type { BodyTimers } from "../limits/body-timers.ts";
import { ensureConnectionOpen } from "./connection-open.ts";
import { allowIdle, type ConnectionTimeouts, FetchBody } from "./fetch-body.ts";
import { queryOf } from "./request-url.ts";

/** Adapts a fetch Request of `Bun.serve` to the request interface of the RPC layer. */
export class FetchRequest implements HttpRequest<Peer> {
  readonly path: string;
  readonly peer: Peer;
  /** `Bun.serve` cannot send trailers. */
  readonly trailers = false;
  readonly #bodyTimers: BodyTimers;
  #request: Request | undefined;
  /** Caches `request.headers`. Reading this property is slow, and a call reads about ten headers. */
  #headers: Headers | undefined;

  constructor(request: Request, path: string, peer: Peer, bodyTimers: BodyTimers) {
    this.path = path;
    this.peer = peer;
    this.#bodyTimers = bodyTimers;
    this.#request = request;
    this.#headers = request.headers;
  }

  get method(): string {
    return required(this.#request).method;
  }

  get query(): string {
    return queryOf(required(this.#request).url);
  }

  get headers(): Headers {
    return required(this.#headers);
  }

  allHeaders(): Headers {
    return required(this.#headers);
  }

  signal(): AbortSignal {
    return required(this.#request).signal;
  }

  release(): void {
    this.#request = undefined;
    this.#headers = undefined;
  }

  readBody(bytesMax: number): Promise<Uint8Array> {
    return readBounded(required(this.#request), bytesMax, this.#bodyTimers);
  }

  body(): BodySource {
    return new FetchBodySource(required(this.#request).body);
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the request has been released");
  return value;
}

class FetchBodySource implements BodySource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(body: ReadableStream<Uint8Array> | null) {
    this.#reader = body?.getReader();
  }

  async read(): Promise<Uint8Array | undefined> {
    const result = await this.#reader?.read();
    return result?.value;
  }

  cancel(): void {
    // `cancel` rejects if the body has already failed. `read` has already thrown the same error, so the rejection is ignored.
    this.#reader?.cancel().catch(() => {});
  }
}

/**
 * Reads the complete body of a request. Throws one of these errors:
 *
 * - `BodyTooLarge` if the body exceeds `bytesMax`. If the request has a Content-Length, this length is checked before reading.
 *   The runtime ensures that the body has this length.
 * - `BodyTooSlow` if the timer for the body expires.
 * - `BodyTooScattered` if the body has no Content-Length (chunked or HTTP/2) and arrives in too many pieces.
 * - `ConnectionClosed` if the connection is closed after the body was read.
 */
export async function readBounded(request: Request, bytesMax: number, timers: BodyTimers): Promise<Uint8Array> {
  const body = await readWithTimeout(request, bytesMax, timers);
  await ensureConnectionOpen(request);
  return body;
}

function readWithTimeout(request: Request, bytesMax: number, timers: BodyTimers): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readChunks(request.body, bytesMax, timers);
  if (Number(announced) > bytesMax) return Promise.reject(new BodyTooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const timer = timers.start((timeoutMs) => reject(new BodyTooSlow(timeoutMs)));
    request
      .bytes()
      .then(resolve, reject)
      .finally(() => timers.stop(timer));
  });
}

async function readChunks(body: ReadableStream<Uint8Array> | null, bytesMax: number, timers: BodyTimers): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  let length = 0;
  let late: BodyTooSlow | undefined;
  const timer = timers.start((timeoutMs) => {
    late = new BodyTooSlow(timeoutMs);
    reader?.cancel().catch(() => {});
  });
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      length += part.value.byteLength;
      if (length > bytesMax) throw new BodyTooLarge(bytesMax);
      chunks.push(part.value);
      if (isScattered(chunks.length, length)) throw new BodyTooScattered();
    }
  } finally {
    timers.stop(timer);
    reader?.cancel().catch(() => {});
  }
  if (late !== undefined) throw late;
  return Buffer.concat(chunks);
}

/** Converts a reply of the RPC layer to a fetch Response. */
export function toResponse(
  reply: HttpReply | HttpStreamReply,
  request: Request,
  timeouts: ConnectionTimeouts | null,
): Response {
  const { status, headers } = reply;
  if (reply.kind === "complete") return new Response(reply.body as Uint8Array<ArrayBuffer>, { status, headers });
  const { writer, idleMsMax } = reply;
  const body = new FetchBody(writer, timeouts === null ? undefined : allowIdle(request, timeouts, idleMsMax));
  return new Response(directStream(body), { status, headers });
}

/**
 * Creates a direct stream of Bun. The types of the project include the DOM types, which do not support direct streams.
 * `Reflect.construct` bypasses these types.
 */
function directStream(source: Bun.DirectUnderlyingSource<Uint8Array>): ReadableStream<Uint8Array> {
  return Reflect.construct(ReadableStream, [source]);
}
