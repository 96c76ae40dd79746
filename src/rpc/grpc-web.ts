import {
  contentTypeJson,
  contentTypeProto,
  headerAcceptEncoding,
  headerEncoding,
  headerTimeout,
  setTrailerStatus,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";
import { encodeFrame, FLAG_COMPRESSED } from "./frame.ts";
import { grpcTimeoutMs } from "./grpc.ts";
import { constantHeaders, replyHeaders } from "./metadata.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

// gRPC-Web frames messages as gRPC does. The last frame of the body contains the trailers.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
const contentTypes = { proto: contentTypeProto, json: contentTypeJson };
const headers = constantHeaders(contentTypes);

export const grpcWeb: UnaryProtocol & StreamProtocol = {
  name: "grpc-web",
  framed: true,
  headers: {
    timeout: headerTimeout.toLowerCase(),
    encoding: headerEncoding.toLowerCase(),
    acceptEncoding: headerAcceptEncoding.toLowerCase(),
  },
  contentTypes,
  timeoutMs: grpcTimeoutMs,
  checkHeaders() {},
  reply(message, codec, metadata) {
    const data = encodeFrame(metadata.encoding === undefined ? 0 : FLAG_COMPRESSED, message);
    const body = Buffer.concat([data, trailerFrame(undefined, metadata.trailer)]);
    return { kind: "complete", status: 200, headers: this.streamHeaders(codec, metadata), body };
  },
  replyError(error, codec, metadata) {
    const body = trailerFrame(error, metadata.trailer);
    return { kind: "complete", status: 200, headers: this.streamHeaders(codec, metadata), body };
  },
  streamHeaders(codec, metadata) {
    return replyHeaders(headers[codec], metadata, this.headers.encoding);
  },
  streamEnd(error, trailer) {
    return { frame: trailerFrame(error, trailer), trailers: undefined };
  },
};

/** The last frame of a successful response without trailers. It is encoded only once, because most responses end with it. */
const okTrailerFrame = encodeTrailer(setTrailerStatus(new Headers(), undefined));

function trailerFrame(error: Parameters<typeof setTrailerStatus>[1], trailer: Headers | undefined): Uint8Array<ArrayBuffer> {
  if (error === undefined && trailer === undefined) return okTrailerFrame;
  return encodeTrailer(setTrailerStatus(new Headers(trailer), error));
}

function encodeTrailer(trailer: Headers): Uint8Array<ArrayBuffer> {
  return encodeFrame(trailerFlag, trailerSerialize(trailer));
}
