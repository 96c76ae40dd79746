import {
  contentTypeJson,
  contentTypeProto,
  headerAcceptEncoding,
  headerEncoding,
  headerTimeout,
  parseTimeout,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { encodeFrame, FLAG_COMPRESSED } from "./frame.ts";
import { TIMEOUT_CHARACTERS_MAX, TIMER_MS_MAX } from "./limits.ts";
import { constantHeaders, constantStreamHeaders, replyHeaders } from "./metadata.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

// gRPC sends each message in a frame, and the status in HTTP trailers.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
const contentTypes = { proto: contentTypeProto, json: contentTypeJson };
const unaryHeaders = constantHeaders(contentTypes);
const streamHeaders = constantStreamHeaders(contentTypes);
const NO_BYTES = new Uint8Array(0);

export const grpc: UnaryProtocol & StreamProtocol = {
  name: "grpc",
  framed: true,
  headers: {
    timeout: headerTimeout.toLowerCase(),
    encoding: headerEncoding.toLowerCase(),
    acceptEncoding: headerAcceptEncoding.toLowerCase(),
  },
  contentTypes,
  requestForm: "binary",
  responseForm: "binary",
  timeoutMs: grpcTimeoutMs,
  checkHeaders() {},
  reply(message, codec, metadata) {
    return {
      kind: "complete",
      status: 200,
      headers: replyHeaders(unaryHeaders[codec], metadata, this.headers.encoding),
      body: encodeFrame(metadata.encoding === undefined ? 0 : FLAG_COMPRESSED, message),
      trailers: setTrailerStatus(new Headers(metadata.trailer), undefined),
    };
  },
  replyError(error, codec, metadata) {
    return {
      kind: "complete",
      status: 200,
      headers: replyHeaders(unaryHeaders[codec], metadata, this.headers.encoding),
      body: NO_BYTES,
      trailers: setTrailerStatus(new Headers(metadata.trailer), error),
    };
  },
  streamHeaders(codec, metadata) {
    return replyHeaders(streamHeaders[codec], metadata, this.headers.encoding);
  },
  streamEnd(error, trailer) {
    return { frame: undefined, trailers: setTrailerStatus(new Headers(trailer), error) };
  },
};

/**
 * Parses the header `grpc-timeout` of gRPC and gRPC-Web. Returns milliseconds. Throws ConnectError `invalid_argument` if the
 * value is malformed.
 */
export function grpcTimeoutMs(value: string | null): number | undefined {
  const { timeoutMs, error } = parseTimeout(value?.slice(0, TIMEOUT_CHARACTERS_MAX) ?? null, Number.MAX_SAFE_INTEGER);
  if (error !== undefined) throw error;
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, TIMER_MS_MAX);
}
