import type { ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HeaderReader, HttpReply, ResponseHeaders } from "./http.ts";

export type ProtocolName = "connect" | "grpc-web" | "grpc";

export type MethodKind = "unary" | "server_streaming" | "bidi_streaming";

/** A protocol's names of common headers. */
export interface ProtocolHeaders {
  readonly timeout: string;
  readonly encoding: string;
  readonly acceptEncoding: string;
}

/** Headers and trailers that a handler set, and the compression of the body. */
export interface ReplyMetadata {
  readonly header: Headers | undefined;
  readonly trailer: Headers | undefined;
  /** Name of the compression. `undefined`: uncompressed. */
  readonly encoding: string | undefined;
}

/** The end of a stream, after its last message: a last frame or trailers. */
export interface StreamEnd {
  readonly frame: Uint8Array | undefined;
  readonly trailers: Headers | undefined;
}

/**
 * A protocol defines the bytes and headers of its requests and responses: connect.ts, grpc-web.ts and grpc.ts. Everything that is common to
 * the protocols is in unary.ts, server-stream.ts and bidi-stream.ts.
 */
interface Protocol {
  readonly name: ProtocolName;
  readonly headers: ProtocolHeaders;
  readonly contentTypes: Readonly<Record<CodecName, string>>;
  /** Parses the client's timeout to milliseconds. Throws ConnectError `invalid_argument` if it is malformed. */
  timeoutMs(value: string | null): number | undefined;
  /** Checks other headers of a request. Throws ConnectError. */
  checkHeaders(headers: HeaderReader): void;
}

export interface UnaryProtocol extends Protocol {
  /** Whether the request message is framed (frame.ts). */
  readonly framed: boolean;
  /** The response. `message` is encoded, and compressed if `metadata.encoding` is set. */
  reply(message: Uint8Array, codec: CodecName, metadata: ReplyMetadata): HttpReply;
  replyError(error: ConnectError, codec: CodecName, metadata: ReplyMetadata): HttpReply;
}

export interface StreamProtocol extends Protocol {
  readonly framed: true;
  /** `metadata.encoding`: the compression of the response's compressed messages. */
  streamHeaders(codec: CodecName, metadata: ReplyMetadata): ResponseHeaders;
  streamEnd(error: ConnectError | undefined, trailer: Headers | undefined): StreamEnd;
}
