import type { Peer } from "../../core/ports.ts";
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
import { ensureConnectionOpen } from "./connection-open.ts";
import { allowIdle, type ConnectionTimeouts, FetchBody } from "./fetch-body.ts";
import { queryOf } from "./request-url.ts";

/** Carries the RPC layer on `Bun.serve`: its HttpRequest from a fetch Request, a fetch Response from its replies. */
export class FetchRequest implements HttpRequest<Peer> {
  readonly path: string;
  readonly peer: Peer;
  /** `Bun.serve` cannot send any. */
  readonly trailers = false;
  readonly #bodyTimeoutMs: number;
  #request: Request | undefined;
  /** Read of the native request once: a call asks for some ten of them. */
  #headers: Headers | undefined;

  constructor(request: Request, path: string, peer: Peer, bodyTimeoutMs: number) {
    this.path = path;
    this.peer = peer;
    this.#bodyTimeoutMs = bodyTimeoutMs;
    this.#request = request;
    this.#headers = request.headers;
  }

  get method(): string {
    return held(this.#request).method;
  }

  get query(): string {
    return queryOf(held(this.#request).url);
  }

  get headers(): Headers {
    return held(this.#headers);
  }

  allHeaders(): Headers {
    return held(this.#headers);
  }

  signal(): AbortSignal {
    return held(this.#request).signal;
  }

  release(): void {
    this.#request = undefined;
    this.#headers = undefined;
  }

  readBody(bytesMax: number): Promise<Uint8Array> {
    return readBounded(held(this.#request), bytesMax, this.#bodyTimeoutMs);
  }

  body(): BodySource {
    return new FetchBodySource(held(this.#request).body);
  }
}

function held<T>(value: T | undefined): T {
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
    // Fails where the body has failed already; whoever reads was told.
    this.#reader?.cancel().catch(() => {});
  }
}

/**
 * A request's body, if it is no longer than `bytesMax` and whole within `timeoutMs`. A length that is announced is checked before
 * anything is read, and the runtime holds the client to it; without one (chunked, HTTP/2), reading stops at the bound.
 */
export async function readBounded(request: Request, bytesMax: number, timeoutMs: number): Promise<Uint8Array> {
  const body = await readWithin(request, bytesMax, timeoutMs);
  await ensureConnectionOpen(request);
  return body;
}

function readWithin(request: Request, bytesMax: number, timeoutMs: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readChunks(request.body, bytesMax, timeoutMs);
  if (Number(announced) > bytesMax) return Promise.reject(new BodyTooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new BodyTooSlow(timeoutMs)), timeoutMs);
    request
      .bytes()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

async function readChunks(body: ReadableStream<Uint8Array> | null, bytesMax: number, timeoutMs: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  let length = 0;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader?.cancel().catch(() => {});
  }, timeoutMs);
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      length += part.value.byteLength;
      if (length > bytesMax) throw new BodyTooLarge(bytesMax);
      chunks.push(part.value);
      if (isScattered(chunks.length, length)) throw new BodyTooScattered();
    }
  } finally {
    clearTimeout(timer);
    reader?.cancel().catch(() => {});
  }
  if (isLate) throw new BodyTooSlow(timeoutMs);
  return Buffer.concat(chunks);
}

/** The response to a reply. */
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

/** The DOM's types, which the client needs, know no direct streams. */
function directStream(source: Bun.DirectUnderlyingSource<Uint8Array>): ReadableStream<Uint8Array> {
  return Reflect.construct(ReadableStream, [source]);
}
