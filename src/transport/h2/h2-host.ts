import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Peer } from "../../core/admission.ts";
import {
  type BodySink,
  type BodySource,
  BodyTooLarge,
  BodyTooScattered,
  BodyTooSlow,
  type BodyWriter,
  type HeaderReader,
  type HttpReply,
  type HttpRequest,
  type HttpStreamReply,
  isScattered,
  type ResponseHeaders,
} from "../../rpc/http.ts";
import type { BodyTimers } from "../limits/body-timers.ts";
import { awaitsEnd, UNREAD_WAIT_MS } from "../unread-body.ts";
import { ensureFlush } from "./flush-workaround.ts";

/** Adapts a stream of `node:http2` (core stream API) to the request interface of the RPC layer. */
export class H2Request implements HttpRequest<Peer>, HeaderReader {
  readonly path: string;
  readonly query: string;
  readonly method: string;
  readonly trailers = true;
  readonly peer: Peer;
  readonly #stream: ServerHttp2Stream;
  #incoming: IncomingHttpHeaders;
  readonly #bodyTimers: BodyTimers;
  #disconnected: AbortController | undefined;

  constructor(stream: ServerHttp2Stream, incoming: IncomingHttpHeaders, peer: Peer, bodyTimers: BodyTimers) {
    const target = incoming[":path"] ?? "/";
    const queryAt = target.indexOf("?");
    this.path = queryAt < 0 ? target : target.slice(0, queryAt);
    this.query = queryAt < 0 ? "" : target.slice(queryAt + 1);
    this.method = incoming[":method"] ?? "GET";
    this.peer = peer;
    this.#stream = stream;
    this.#incoming = incoming;
    this.#bodyTimers = bodyTimers;
  }

  get headers(): HeaderReader {
    return this;
  }

  get(name: string): string | null {
    const value = this.#incoming[name];
    return typeof value === "string" ? value : (value?.join(", ") ?? null);
  }

  allHeaders(): Headers {
    const all = new Headers();
    for (const [name, value] of Object.entries(this.#incoming)) {
      if (name.startsWith(":") || value === undefined) continue;
      for (const each of [value].flat()) all.append(name, each);
    }
    // `:authority` replaces Host in HTTP/2 (RFC 9113 8.3.1). If a request has both, they are equal.
    const authority = this.#incoming[":authority"];
    if (authority !== undefined) all.set("host", authority);
    return all;
  }

  signal(): AbortSignal {
    if (this.#disconnected !== undefined) return this.#disconnected.signal;
    const disconnected = new AbortController();
    this.#disconnected = disconnected;
    if (this.#stream.aborted || this.#stream.destroyed) disconnected.abort();
    else this.#stream.once("aborted", () => disconnected.abort());
    return disconnected.signal;
  }

  release(): void {
    this.#incoming = {};
  }

  readBody(bytesMax: number): Promise<Uint8Array> {
    const announced = this.headers.get("content-length");
    if (announced !== null && Number(announced) > bytesMax) return Promise.reject(new BodyTooLarge(bytesMax));
    this.#inviteBody();
    return readAll(this.#stream, bytesMax, this.#bodyTimers);
  }

  body(): BodySource {
    this.#inviteBody();
    return new H2BodySource(this.#stream);
  }

  /** Sends 100 Continue if the client waits for it (RFC 9110 10.1.1). The core API of `node:http2` does not do this. */
  #inviteBody(): void {
    const waits = this.get("expect")?.toLowerCase() === "100-continue" && !this.#stream.endAfterHeaders;
    if (!waits || this.#stream.destroyed || this.#stream.closed) return;
    this.#stream.additionalHeaders({ [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_CONTINUE });
  }
}

async function readAll(stream: ServerHttp2Stream, bytesMax: number, timers: BodyTimers): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const timer = timers.start((timeoutMs) => reject(new BodyTooSlow(timeoutMs)));
  const chunks: Uint8Array[] = [];
  let length = 0;
  let pieces = 0;
  const take = (chunk: Uint8Array) => {
    length += chunk.byteLength;
    if (length <= bytesMax) chunks.push(chunk);
    else reject(new BodyTooLarge(bytesMax));
    if (!isScattered(++pieces, length)) return;
    reject(new BodyTooScattered());
    // Resets the stream immediately, without a response. Otherwise, the runtime would also process the frames of this stream
    // that it has already read from the socket.
    stream.off("data", take).close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
  stream.on("data", take);
  stream.once("end", () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)));
  stream.once("aborted", () => reject(new Error("the client reset the stream")));
  stream.once("error", reject);
  return promise.finally(() => timers.stop(timer));
}

/** Reads one chunk at a time. Between reads, the stream is paused, so HTTP/2 flow control stops the client. */
class H2BodySource implements BodySource {
  readonly #stream: ServerHttp2Stream;
  readonly #chunks: Uint8Array[] = [];
  #state: "open" | "ended" | "disconnected" | "canceled" = "open";
  #wake: (() => void) | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    stream.pause();
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.once("end", () => this.#settle("ended"));
    stream.once("aborted", () => this.#settle("disconnected"));
    stream.once("close", () => this.#settle("disconnected"));
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && this.#state === "open") {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#stream.resume();
      await woken;
    }
    if (this.#state === "disconnected") throw new Error("the client reset the stream");
    return this.#chunks.shift();
  }

  cancel(): void {
    this.#chunks.length = 0;
    this.#settle("canceled");
    this.#stream.resume();
  }

  #take(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#stream.pause();
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  #settle(state: "ended" | "disconnected" | "canceled"): void {
    if (this.#state !== "open") return;
    this.#state = state;
    this.#wake?.();
  }
}

/** Sends the reply of the RPC layer to `request`. If the stream is already closed, sends nothing. */
export function sendReply(stream: ServerHttp2Stream, reply: HttpReply | HttpStreamReply, request: HeaderReader): void {
  if (reply.kind === "complete") sendComplete(stream, reply, request);
  else sendStream(stream, reply);
}

function sendComplete(stream: ServerHttp2Stream, { status, headers, body, trailers }: HttpReply, request: HeaderReader): void {
  if (stream.destroyed || stream.closed) return;
  stream.once("finish", () => refuseRestOfRequest(stream, request));
  if (body.byteLength === 0) {
    // A gRPC response without a message has headers and trailers in one header block ("Trailers-Only").
    stream.respond({ ...responseHeaders(status, headers), ...trailerFields(trailers) }, { endStream: true });
  } else {
    stream.respond(responseHeaders(status, headers), { waitForTrailers: trailers !== undefined });
    if (trailers !== undefined) stream.once("wantTrailers", () => sendTrailers(stream, trailers));
    endWith(stream, body);
  }
  dropUnreadRequest(stream);
}

/**
 * Maximum length of one write, in bytes. `H2Stalls` sees progress only when a write is complete. If a write were larger, a slow
 * client would look like a client that accepts no data.
 */
const SLICE_BYTES = 64 * 1024;

function endWith(stream: ServerHttp2Stream, body: Uint8Array): void {
  let at = 0;
  for (; at + SLICE_BYTES < body.byteLength; at += SLICE_BYTES) stream.write(body.subarray(at, at + SLICE_BYTES));
  stream.end(body.subarray(at));
  ensureFlush(stream);
}

/**
 * Discards the unread part of a request body after the request is answered. For example, a request is answered early if its
 * body is too large.
 */
export function dropUnreadRequest(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) stream.resume();
}

/**
 * Resets the stream with NO_ERROR (RFC 9113 8.1) if the client has not ended its request. The client then stops sending. If
 * `request` has a small Content-Length, first waits up to `UNREAD_WAIT_MS` for the end of the request. Call this after the complete
 * response is sent.
 */
export function refuseRestOfRequest(stream: ServerHttp2Stream, request?: HeaderReader): void {
  if (stream.state.state !== constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL) return;
  if (request === undefined || !awaitsEnd(request)) {
    stream.close(constants.NGHTTP2_NO_ERROR);
    return;
  }
  const timer = setTimeout(() => refuseRestOfRequest(stream), UNREAD_WAIT_MS);
  stream.once("close", () => clearTimeout(timer));
}

function sendStream(stream: ServerHttp2Stream, { status, headers, writer }: HttpStreamReply): void {
  if (stream.destroyed || stream.closed) writer.bodyClosed();
  else {
    stream.respond(responseHeaders(status, headers), { waitForTrailers: true });
    writer.bodyOpened(new H2BodySink(stream, writer));
  }
}

class H2BodySink implements BodySink {
  readonly #stream: ServerHttp2Stream;
  readonly #writer: BodyWriter;
  #trailers: Headers | undefined;
  #draining = false;

  constructor(stream: ServerHttp2Stream, writer: BodyWriter) {
    this.#stream = stream;
    this.#writer = writer;
    stream.once("wantTrailers", () => sendTrailers(stream, this.#trailers));
    stream.once("close", () => writer.bodyClosed());
  }

  get #open(): boolean {
    return !this.#stream.destroyed && !this.#stream.writableEnded && !this.#stream.aborted;
  }

  get queuedBytes(): number {
    return this.#open ? this.#stream.writableLength : 0;
  }

  get needsDrain(): boolean {
    return this.#open && this.#stream.writableNeedDrain;
  }

  write(bytes: Uint8Array): void {
    if (!this.#open) return;
    if (!this.#stream.write(bytes)) this.#awaitDrain();
    ensureFlush(this.#stream);
  }

  close(trailers?: Headers): void {
    if (!this.#open) return;
    this.#trailers = trailers;
    this.#stream.once("finish", () => refuseRestOfRequest(this.#stream));
    this.#stream.end();
    ensureFlush(this.#stream);
  }

  #awaitDrain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#stream.once("drain", () => {
      this.#draining = false;
      this.#writer.bodyDrained();
    });
  }
}

export function responseHeaders(status: number, headers: ResponseHeaders): OutgoingHttpHeaders {
  const fields = headers instanceof Headers ? Object.fromEntries(headers) : headers;
  return { [constants.HTTP2_HEADER_STATUS]: status, ...fields };
}

/**
 * Sends trailers, unless the client has reset the stream. After a reset, the response is truncated, and trailers would mark it as
 * complete. The runtime emits `wantTrailers` even after a reset.
 */
function sendTrailers(stream: ServerHttp2Stream, trailers: Headers | undefined): void {
  if (!stream.aborted) stream.sendTrailers(trailerFields(trailers));
}

function trailerFields(trailers: Headers | undefined): OutgoingHttpHeaders {
  return trailers === undefined ? {} : Object.fromEntries(trailers);
}
