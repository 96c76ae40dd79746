import type { Peer } from "../core/ports.ts";
import {
  type BodySink,
  type BodySource,
  BodyTooLarge,
  BodyTooSlow,
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

  readonly #bodyTimeoutMs: number;

  constructor(request: Request, path: string, peer: Peer, bodyTimeoutMs: number) {
    this.#request = request;
    this.#bodyTimeoutMs = bodyTimeoutMs;
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
    return readBounded(this.#request, bytesMax, this.#bodyTimeoutMs);
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
 * A request's body, if it is no longer than `bytesMax` and whole within `timeoutMs`. A length that is announced is checked before
 * anything is read, and the runtime holds the client to it; without one (chunked, HTTP/2), reading stops at the bound.
 */
export function readBounded(request: Request, bytesMax: number, timeoutMs: number): Promise<Uint8Array> {
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
    }
  } finally {
    clearTimeout(timer);
    reader?.cancel().catch(() => {});
  }
  if (isLate) throw new BodyTooSlow(timeoutMs);
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

/**
 * Chunks that the runtime's queue takes before it is full: its own default. By a count in bytes Bun would set aside a buffer of that size
 * for every stream (4 KB more for a quiet one), and call back for the size of every chunk (twice the CPU of a delivery over HTTP/2).
 */
const QUEUE_CHUNKS = 1;

/**
 * The body of a stream. That the client is gone is told by `cancel` or by the request's signal, whichever comes: a client that
 * leaves before the response begins is told by the signal alone.
 */
function streamBody(reply: HttpStreamReply, signal: AbortSignal, keepOpen: KeepOpen): ReadableStream<Uint8Array> {
  let sink: FetchBodySink | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      sink = new FetchBodySink(controller);
      sink.onClose(() => keepOpen(false));
      reply.start(sink);
      if (signal.aborted) sink.closed();
      else signal.addEventListener("abort", () => sink?.closed(), { once: true });
    },
    pull: () => sink?.drained(),
    cancel: () => sink?.closed(),
  });
}

class FetchBodySink implements BodySink {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  #open = true;
  #onClose: (() => void)[] = [];
  #onDrain: (() => void)[] = [];
  /** Lengths of the chunks that may still be queued, oldest first, and their sum. Only where the client lags behind. */
  #lengths: number[] | undefined;
  #queuedBytes = 0;

  constructor(controller: ReadableStreamDefaultController<Uint8Array>) {
    this.#controller = controller;
  }

  get queuedBytes(): number {
    if (!this.#open) return 0;
    this.#forgetTaken();
    return this.#queuedBytes;
  }

  write(bytes: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#controller.enqueue(bytes);
      if (this.#queuedChunks > 0) this.#remember(bytes.byteLength);
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
    if (!this.#open || this.#queuedChunks < QUEUE_CHUNKS) listener();
    else this.#onDrain.push(listener);
  }

  onClose(listener: () => void): void {
    if (this.#open) this.#onClose.push(listener);
    else listener();
  }

  get #queuedChunks(): number {
    return QUEUE_CHUNKS - (this.#controller.desiredSize ?? QUEUE_CHUNKS);
  }

  #remember(length: number): void {
    this.#lengths ??= [];
    this.#lengths.push(length);
    this.#queuedBytes += length;
    this.#forgetTaken();
  }

  #forgetTaken(): void {
    if (this.#lengths === undefined) return;
    const queuedChunks = this.#queuedChunks;
    while (this.#lengths.length > queuedChunks) this.#queuedBytes -= this.#lengths.shift() ?? 0;
    if (this.#lengths.length === 0) this.#lengths = undefined;
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
