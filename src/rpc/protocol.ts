import type { ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HeaderReader, HttpReply, ResponseHeaders } from "./http.ts";

/** The names of the protocols, for logs and metrics. `grpc-web-text` means gRPC-Web with a response in base64. */
export const PROTOCOL_NAMES = ["connect", "grpc-web", "grpc-web-text", "grpc"] as const;
export type ProtocolName = (typeof PROTOCOL_NAMES)[number];

/** The form of a body. In the form `binary`, the bytes are sent unchanged. Only gRPC-Web text uses the form `base64`. */
export type BodyForm = "binary" | "base64";

/** The header names that a protocol uses for the timeout and the compression. */
export interface ProtocolHeaders {
  readonly timeout: string;
  readonly encoding: string;
  readonly acceptEncoding: string;
}

/** Headers and trailers that a handler set, and the compression of the response. */
export interface ReplyMetadata {
  readonly header: Headers | undefined;
  readonly trailer: Headers | undefined;
  /** The name of the compression. `undefined` means that the response is not compressed. */
  readonly encoding: string | undefined;
}

/** The end of a stream, as a protocol sends it after the last message: a frame or HTTP trailers. */
export interface StreamEnd {
  readonly frame: Uint8Array | undefined;
  readonly trailers: Headers | undefined;
}

/**
 * A protocol defines the bytes and headers of requests and responses. connect.ts, grpc-web.ts and grpc.ts contain the
 * protocols.
 */
interface Protocol {
  readonly name: ProtocolName;
  readonly headers: ProtocolHeaders;
  /** The content types of requests. A codec without a content type is not supported. */
  readonly contentTypes: Readonly<Partial<Record<CodecName, string>>>;
  readonly requestForm: BodyForm;
  /**
   * The form of response bodies. In base64, each frame is encoded and padded separately. So a client can decode each frame as
   * soon as it arrives.
   */
  readonly responseForm: BodyForm;
  /** Parses the timeout header. Returns milliseconds. Throws ConnectError `invalid_argument` if the value is malformed. */
  timeoutMs(value: string | null): number | undefined;
  /** Checks the headers that only this protocol has. Throws ConnectError if such a header is invalid. */
  checkHeaders(headers: HeaderReader): void;
}

export interface UnaryProtocol extends Protocol {
  /** Whether the request message is framed (frame.ts). */
  readonly framed: boolean;
  /** Returns the response. `message` must be encoded. If `metadata.encoding` is set, `message` must also be compressed. */
  reply(message: Uint8Array, codec: CodecName, metadata: ReplyMetadata): HttpReply;
  replyError(error: ConnectError, codec: CodecName, metadata: ReplyMetadata): HttpReply;
}

export interface StreamProtocol extends Protocol {
  readonly framed: true;
  /**
   * Returns the response headers. `metadata.encoding` names the compression. A stream with compression may also have
   * uncompressed messages.
   */
  streamHeaders(codec: CodecName, metadata: ReplyMetadata): ResponseHeaders;
  streamEnd(error: ConnectError | undefined, trailer: Headers | undefined): StreamEnd;
}
