import { BODY_BYTES_PER_PIECE, BODY_PIECES_MAX } from "./limits.ts";

/**
 * HTTP as the RPC layer sees it: what it needs of a request, and what it hands back. The hosts (http/edge.ts on Bun.serve,
 * http/grpc.ts on node:http2) put their own requests into this shape; the protocols know no other.
 */

/** The part of `Headers` that reading needs. Names are lower case. */
export interface HeaderReader {
  get(name: string): string | null;
}

export interface HttpRequest<Peer = unknown> {
  /** In upper case. */
  readonly method: string;
  /** The path of the URL, without its query. */
  readonly path: string;
  /** The query of the URL, without its question mark; mostly empty. */
  readonly query: string;
  readonly headers: HeaderReader;
  /** All headers, for the few handlers that pass them on. */
  allHeaders(): Headers;
  /**
   * The whole body. Throws `BodyTooLarge` as soon as it is known to be over the bound, without keeping what came; `BodyTooScattered`; and
   * `BodyTooSlow` where it does not come within the host's time.
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
  /** The body as it comes, for a stream of messages. To be called once, and instead of `readBody`. */
  body(): BodySource;
  /** Aborts when the client is gone. */
  signal(): AbortSignal;
  /** Lets go of everything but `path` and `peer`: for a call whose answer stays open long after its request was read. */
  release(): void;
  /** Whether the connection can carry trailers, so that gRPC may be spoken. */
  readonly trailers: boolean;
  /** Who asks, as the host knows it; the RPC layer passes it on unread. */
  readonly peer: Peer;
}

/** The body of a request, as the host offers it. What is not read waits in the client, but for what the runtime itself buffers. */
export interface BodySource {
  /** The next bytes; `undefined` at the end. Throws when the client is gone. One read at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Drops what has not been read and what is yet to come; a read under way gives `undefined`. Idempotent. */
  cancel(): void;
}

/** Response headers. A plain record for the constant ones of the hot path, `Headers` where a handler added its own. */
export type ResponseHeaders = Readonly<Record<string, string>> | Headers;

/** A complete answer. */
export interface HttpReply {
  readonly kind: "complete";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
  /** For gRPC. */
  readonly trailers?: Headers | undefined;
}

/** An answer whose body is still to be written, by its writer, into the sink that the host gives it. */
export interface HttpStreamReply {
  readonly kind: "stream";
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly writer: BodyWriter;
  /** The longest that the body is quiet, in ms, where its writer promises that. */
  readonly idleMsMax?: number | undefined;
}

/**
 * Who writes the body of a streaming answer, as its host sees it: one object that is told, and no closures, since a quiet stream is
 * little more than these.
 */
export interface BodyWriter {
  /** The body may be written from now on. Called once; never, where the client was gone before. */
  bodyOpened(body: BodySink): void;
  /** The client has caught up, after the body's `needsDrain` was true. */
  bodyDrained(): void;
  /** The client is gone, or the body has been closed. Called once, last, whether or not the body was ever opened. */
  bodyClosed(): void;
}

/** The body of a streaming answer, as the host offers it. */
export interface BodySink {
  /** Queues bytes for the client. Never throws; does nothing once the client is gone. */
  write(bytes: Uint8Array): void;
  /** Ends the body, after everything that was written; for gRPC with trailers. Idempotent. */
  close(trailers?: Headers): void;
  /** How many bytes wait for a client that does not take them, as far as the runtime tells. 0 where the client keeps up. */
  readonly queuedBytes: number;
  /** Whether the client has fallen behind; the writer is told when it has caught up. */
  readonly needsDrain: boolean;
}

/** The body is longer than the reader allowed. */
export class BodyTooLarge extends Error {
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`body over ${limitBytes} bytes`);
    this.name = "BodyTooLarge";
    this.limitBytes = limitBytes;
  }
}

/** The body comes in more pieces than anything cuts it into that is not made to. */
export class BodyTooScattered extends Error {
  constructor() {
    super("body in too many pieces");
    this.name = "BodyTooScattered";
  }
}

/** Whether a body that has come so far, in so many pieces, is too scattered. */
export function isScattered(pieces: number, bytes: number): boolean {
  return pieces > BODY_PIECES_MAX + bytes / BODY_BYTES_PER_PIECE;
}

/** The client took longer to send the body than the host waits. */
export class BodyTooSlow extends Error {
  constructor(timeoutMs: number) {
    super(`body took over ${timeoutMs} ms`);
    this.name = "BodyTooSlow";
  }
}
