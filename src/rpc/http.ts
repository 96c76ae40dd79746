import { BODY_BYTES_PER_PIECE, BODY_PIECES_MAX } from "./limits.ts";

// The HTTP interface of the RPC layer. A host adapts its own requests and responses to it. The gateway has two hosts: Bun.serve
// (transport/bun/fetch-host.ts) and node:http2 (transport/h2/h2-host.ts).

/** The part of `Headers` that is needed for reading. Names are in lower case. */
export interface HeaderReader {
  get(name: string): string | null;
}

export interface HttpRequest<Peer = unknown> {
  /** In upper case, such as `POST`. */
  readonly method: string;
  /** The path of the URL, without its query. */
  readonly path: string;
  /** The query of the URL, without the question mark. Usually empty. */
  readonly query: string;
  readonly headers: HeaderReader;
  /** All headers, for handlers that forward them. */
  allHeaders(): Headers;
  /**
   * The whole body. Throws `BodyTooLarge` as soon as the limit is exceeded, `BodyTooScattered` if it arrives in too many pieces, and
   * `BodyTooSlow` if it is incomplete after the host's timeout.
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
  /** The body as a stream of chunks. May be called once, and not after `readBody`. */
  body(): BodySource;
  /** Aborts when the client disconnects. */
  signal(): AbortSignal;
  /** Frees everything except `path` and `peer`, for a call whose response stays open for long. */
  release(): void;
  /** Whether the connection supports trailers, which gRPC needs. */
  readonly trailers: boolean;
  /** The client, as known to the host. Opaque to the RPC layer. */
  readonly peer: Peer;
}

/** The body of a request, from the host. Unread bytes stay at the client, except for what the runtime buffers. */
export interface BodySource {
  /** The next bytes; `undefined` at the end. Throws if the client disconnects. One read at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Discards the unread rest. A pending read returns `undefined`. Idempotent. */
  cancel(): void;
}

/** Response headers: a plain record if they are constant, which is faster; `Headers` if a handler added some. */
export type ResponseHeaders = Readonly<Record<string, string>> | Headers;

/** A complete response. */
export interface HttpReply {
  readonly kind: "complete";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
  /** Trailers, for gRPC only. */
  readonly trailers?: Headers | undefined;
}

/** A response with a streaming body. Its writer writes to the sink that the host provides. */
export interface HttpStreamReply {
  readonly kind: "stream";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly writer: BodyWriter;
  /** The longest time between two writes, in ms, if the writer guarantees one. */
  readonly idleMsMax?: number | undefined;
}

/**
 * The writer of a streaming body, as seen by the host. One object instead of callbacks, since closures would dominate the memory of an idle
 * stream.
 */
export interface BodyWriter {
  /** The body can be written. Called at most once; not called if the client has disconnected before. */
  bodyOpened(body: BodySink): void;
  /** The queue was sent, after `needsDrain` was true. */
  bodyDrained(): void;
  /** The client has disconnected, or the body was closed. Called once, as the last call, also if the body was never opened. */
  bodyClosed(): void;
}

/** The sink of a streaming body, from the host. */
export interface BodySink {
  /** Queues bytes for the client. Never throws. Does nothing after the client has disconnected. */
  write(bytes: Uint8Array): void;
  /** Ends the body after the queued bytes, for gRPC with trailers. Idempotent. */
  close(trailers?: Headers): void;
  /** Bytes queued for a client that reads too slowly, as far as the runtime reports them. 0 without backpressure. */
  readonly queuedBytes: number;
  /** Whether the socket applies backpressure. If so, `bodyDrained` is called when the queue is sent. */
  readonly needsDrain: boolean;
}

/** The body is longer than the reader allows. */
export class BodyTooLarge extends Error {
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`body over ${limitBytes} bytes`);
    this.name = "BodyTooLarge";
    this.limitBytes = limitBytes;
  }
}

/** The body arrives in more pieces than networks produce. */
export class BodyTooScattered extends Error {
  constructor() {
    super("body in too many pieces");
    this.name = "BodyTooScattered";
  }
}

/** Whether `bytes` have arrived in too many pieces. */
export function isScattered(pieces: number, bytes: number): boolean {
  return pieces > BODY_PIECES_MAX + bytes / BODY_BYTES_PER_PIECE;
}

/** The body was incomplete after the host's timeout. */
export class BodyTooSlow extends Error {
  constructor(timeoutMs: number) {
    super(`body took over ${timeoutMs} ms`);
    this.name = "BodyTooSlow";
  }
}
