import type { ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HeaderReader, HttpReply, ResponseHeaders } from "./http.ts";

export type ProtocolName = "connect" | "grpc-web" | "grpc";

/** The kinds of methods that are served. */
export type MethodKind = "unary" | "server_streaming" | "bidi_streaming";

/** The names of the headers in which a protocol says the same things. */
export interface ProtocolHeaders {
  readonly timeout: string;
  readonly encoding: string;
  readonly acceptEncoding: string;
}

/** What a handler set besides its messages, and how the body is compressed. */
export interface ReplyMetadata {
  readonly header: Headers | undefined;
  readonly trailer: Headers | undefined;
  /** The name of the compression of `body`, where it is compressed. */
  readonly encoding: string | undefined;
}

/** How a stream ends, after its last message: by a last frame, by trailers, or both. */
export interface StreamEnd {
  readonly frame: Uint8Array | undefined;
  readonly trailers: Headers | undefined;
}

/**
 * What connect.ts, grpc-web.ts and grpc.ts implement, for each kind of method. unary.ts, server-stream.ts and bidi-stream.ts know what every
 * call has in common, a protocol only how its own bytes and headers look.
 */
interface Protocol {
  readonly name: ProtocolName;
  readonly headers: ProtocolHeaders;
  readonly contentTypes: Readonly<Record<CodecName, string>>;
  /** The timeout that the client set, in milliseconds. Throws ConnectError `invalid_argument` on one that is none. */
  timeoutMs(value: string | null): number | undefined;
  /** What else the protocol asks of a request's headers. Throws ConnectError. */
  checkHeaders(headers: HeaderReader): void;
}

export interface UnaryProtocol extends Protocol {
  /** Whether the request message comes in a frame (core/frame.ts). */
  readonly framed: boolean;
  /** The answer; `message` is encoded, and compressed where `metadata.encoding` says so. */
  reply(message: Uint8Array, codec: CodecName, metadata: ReplyMetadata): HttpReply;
  replyError(error: ConnectError, codec: CodecName, metadata: ReplyMetadata): HttpReply;
}

export interface StreamProtocol extends Protocol {
  readonly framed: true;
  /** `metadata.encoding`: the compression that messages of the answer may have. */
  streamHeaders(codec: CodecName, metadata: ReplyMetadata): ResponseHeaders;
  streamEnd(error: ConnectError | undefined, trailer: Headers | undefined): StreamEnd;
}
