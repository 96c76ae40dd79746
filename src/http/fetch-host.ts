import type { Peer } from "../core/ports.ts";
import {
  type BodySink,
  type BodySource,
  BodyTooLarge,
  type HttpReply,
  type HttpRequest,
  type HttpStreamReply,
} from "../rpc/http.ts";

/** Carries the RPC layer on `Bun.serve`: its HttpRequest from a fetch Request, a fetch Response from its replies. */
export class FetchRequest implements HttpRequest<Peer> {
  readonly #request: Request;
  readonly path: string;
  readonly peer: Peer;
  /** `Bun.serve` cannot send any. */
  readonly trailers = false;

  /** Read of the native request once: a call asks for some ten of them. */
  readonly headers: Headers;

  constructor(request: Request, path: string, peer: Peer) {
    this.#request = request;
    this.headers = request.headers;
    this.path = path;
    this.peer = peer;
  }

  get method(): string {
    return this.#request.method;
  }

  get query(): string {
    return new URL(this.#request.url).search.slice(1);
  }

  allHeaders(): Headers {
    return this.headers;
  }

  signal(): AbortSignal {
    return this.#request.signal;
  }

  readBody(bytesMax: number): Promise<Uint8Array> {
    return readBounded(this.#request, bytesMax);
  }

  body(): BodySource {
    return new FetchBodySource(this.#request.body);
  }
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
 * A request's body, if it is no longer than `bytesMax`. A length that is announced is checked before anything is read, and
 * the runtime holds the client to it; without one (chunked, HTTP/2), reading stops at the bound.
 */
export function readBounded(request: Request, bytesMax: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readChunks(request.body, bytesMax);
  return Number(announced) > bytesMax ? Promise.reject(new BodyTooLarge(bytesMax)) : request.bytes();
}

async function readChunks(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.byteLength;
    if (length > bytesMax) throw new BodyTooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The response to a reply. `keepOpen` is told `true` for a stream, whose connection may be quiet for long, and `false` when it has
 * ended: a client that does not read would otherwise hold what is queued for it for ever.
 */
export function toResponse(reply: HttpReply | HttpStreamReply, request: Request, keepOpen: KeepOpen): Response {
  const { status, headers } = reply;
  if (reply.kind === "complete") return new Response(reply.body as Uint8Array<ArrayBuffer>, { status, headers });
  keepOpen(true);
  return new Response(streamBody(reply, request.signal, keepOpen), { status, headers });
}

type KeepOpen = (open: boolean) => void;

/** What the runtime may hold for a client that does not read, before `onDrain` waits. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * The body of a stream. That the client is gone is told by `cancel` or by the request's signal, whichever comes: a client that
 * leaves before the response begins is told by the signal alone.
 */
function streamBody(reply: HttpStreamReply, signal: AbortSignal, keepOpen: KeepOpen): ReadableStream<Uint8Array> {
  let sink: FetchBodySink | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        sink = new FetchBodySink(controller);
        sink.onClose(() => keepOpen(false));
        reply.start(sink);
        if (signal.aborted) sink.closed();
        else signal.addEventListener("abort", () => sink?.closed(), { once: true });
      },
      pull: () => sink?.drained(),
      cancel: () => sink?.closed(),
    },
    { highWaterMark: HIGH_WATER_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
  );
}

class FetchBodySink implements BodySink {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  #open = true;
  #onClose: (() => void)[] = [];
  #onDrain: (() => void)[] = [];

  constructor(controller: ReadableStreamDefaultController<Uint8Array>) {
    this.#controller = controller;
  }

  get queuedBytes(): number {
    return this.#open ? HIGH_WATER_BYTES - (this.#controller.desiredSize ?? 0) : 0;
  }

  write(bytes: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#controller.enqueue(bytes);
    } catch {
      // The runtime has closed the stream and not said so: the same as a cancel.
      this.closed();
    }
  }

  close(): void {
    if (!this.#open) return;
    try {
      this.#controller.close();
    } catch {
      // Closed by the runtime already.
    }
    this.closed();
  }

  onDrain(listener: () => void): void {
    if (!this.#open || this.queuedBytes < HIGH_WATER_BYTES) listener();
    else this.#onDrain.push(listener);
  }

  onClose(listener: () => void): void {
    if (this.#open) this.#onClose.push(listener);
    else listener();
  }

  drained(): void {
    const listeners = this.#onDrain;
    this.#onDrain = [];
    for (const listener of listeners) listener();
  }

  closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.drained();
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }
}
