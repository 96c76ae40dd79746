import { BODY_BYTES_PER_PIECE, BODY_PIECES_MAX } from "./limits.ts";

// The HTTP interface of the RPC layer. A host is an HTTP server that adapts its requests and responses to this interface. The
// gateway has two hosts: Bun.serve (transport/bun/fetch-host.ts) and node:http2 (transport/h2/h2-host.ts).

/** Reads a header by its name, as `Headers` does. `name` must be in lower case. */
export interface HeaderReader {
  get(name: string): string | null;
}

export interface HttpRequest<Peer = unknown> {
  /** The HTTP method in upper case, such as `POST`. */
  readonly method: string;
  /** The path of the URL, without its query. */
  readonly path: string;
  /** The query of the URL, without the question mark. It is usually empty. */
  readonly query: string;
  readonly headers: HeaderReader;
  /** Returns all headers, for handlers that forward headers. */
  allHeaders(): Headers;
  /**
   * Reads the complete body. Throws one of these errors:
   *
   * - `BodyTooLarge` as soon as the body exceeds `bytesMax`
   * - `BodyTooScattered` if the body arrives in too many pieces
   * - `BodyTooSlow` if the body is incomplete after the host's timeout
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
  /** Returns the body as a stream of chunks. Call it at most once, and not after `readBody`. */
  body(): BodySource;
  /** Returns a signal that aborts when the client disconnects. */
  signal(): AbortSignal;
  /** Frees all memory of the request except `path` and `peer`. Call it if the response stays open for a long time. */
  release(): void;
  /** Whether responses on this connection can have trailers. gRPC needs trailers. */
  readonly trailers: boolean;
  /** The host's description of the client. The RPC layer does not read it. */
  readonly peer: Peer;
}

/** The body of a request, provided by the host. Unread bytes stay at the client, except the bytes that the runtime buffers. */
export interface BodySource {
  /** Returns the next bytes, or `undefined` at the end. Throws if the client disconnects. Only one read may be pending. */
  read(): Promise<Uint8Array | undefined>;
  /** Discards all unread bytes. A pending read returns `undefined`. Idempotent. */
  cancel(): void;
}

/**
 * Response headers. They are a plain record if they are constant, because a record is faster. They are `Headers` if a handler
 * added headers.
 */
export type ResponseHeaders = Readonly<Record<string, string>> | Headers;

/** A response with a complete body. */
export interface HttpReply {
  readonly kind: "complete";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
  /** HTTP trailers. Only gRPC uses them. */
  readonly trailers?: Headers | undefined;
}

/** A response with a streaming body. `writer` writes the body to the `BodySink` that the host provides. */
export interface HttpStreamReply {
  readonly kind: "stream";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly writer: BodyWriter;
  /** Maximum time between two writes, in ms. `undefined` if there is no maximum. */
  readonly idleMsMax?: number | undefined;
}

/**
 * The writer of a streaming body. The host calls its methods. It is one object instead of several closures, because closures
 * would take most of the memory of an idle stream.
 */
export interface BodyWriter {
  /** Called at most once, when the body can be written. Not called if the client has already disconnected. */
  bodyOpened(body: BodySink): void;
  /** Called when all queued bytes are sent, if `BodySink.needsDrain` was true. */
  bodyDrained(): void;
  /**
   * Called exactly once, as the last call: after the client has disconnected, or after the body was closed. It is also called
   * if `bodyOpened` was never called.
   */
  bodyClosed(): void;
}

/** The host's side of a streaming body. The `BodyWriter` writes to it. */
export interface BodySink {
  /** Queues bytes for the client. Never throws. Does nothing if the client has disconnected. */
  write(bytes: Uint8Array): void;
  /** Ends the body after all queued bytes. gRPC passes `trailers`, which are sent after the body. Idempotent. */
  close(trailers?: Headers): void;
  /** Number of bytes that wait to be sent, as far as the runtime reports them. */
  readonly queuedBytes: number;
  /** True if the socket applies backpressure. The host then calls `bodyDrained` when all queued bytes are sent. */
  readonly needsDrain: boolean;
}

/** Thrown if a body or a message is longer than `limitBytes`. */
export class BodyTooLarge extends Error {
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`body over ${limitBytes} bytes`);
    this.name = "BodyTooLarge";
    this.limitBytes = limitBytes;
  }
}

/** Thrown if the body arrives in more pieces than a normal network produces. `isScattered` defines the limit. */
export class BodyTooScattered extends Error {
  constructor() {
    super("body in too many pieces");
    this.name = "BodyTooScattered";
  }
}

/** Returns whether `pieces` exceeds the maximum number of pieces for a body of `bytes` bytes. */
export function isScattered(pieces: number, bytes: number): boolean {
  return pieces > piecesMax(bytes);
}

/** Returns the maximum number of pieces that a body of `bytes` bytes may have. The result can be a fraction. */
export function piecesMax(bytes: number): number {
  return BODY_PIECES_MAX + bytes / BODY_BYTES_PER_PIECE;
}

/** Thrown if the body is incomplete after the host's timeout. */
export class BodyTooSlow extends Error {
  constructor(timeoutMs: number) {
    super(`body took over ${timeoutMs} ms`);
    this.name = "BodyTooSlow";
  }
}
