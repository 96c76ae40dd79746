import type { ConnectError } from "@connectrpc/connect";
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
import type { CodecName } from "./codec.ts";
import { encodeBase64, encodeFrame, FLAG_COMPRESSED } from "./frame.ts";
import { grpcTimeoutMs } from "./grpc.ts";
import type { HttpReply, ResponseHeaders } from "./http.ts";
import { type ConstantHeaders, constantHeaders, constantStreamHeaders, replyHeaders } from "./metadata.ts";
import type { BodyForm, ProtocolName, ReplyMetadata, StreamEnd, StreamProtocol, UnaryProtocol } from "./protocol.ts";

// gRPC-Web sends each message in a frame, as gRPC does. The last frame of the body contains the trailers.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
const headerNames = {
  timeout: headerTimeout.toLowerCase(),
  encoding: headerEncoding.toLowerCase(),
  acceptEncoding: headerAcceptEncoding.toLowerCase(),
};
const binaryTypes = { proto: contentTypeProto, json: contentTypeJson };
/** gRPC-Web text does not support JSON, because the specification ("Content-Type") names only Protobuf and Thrift. */
const textTypes = { proto: "application/grpc-web-text+proto" };

/**
 * gRPC-Web with one body form (binary or base64) for requests, and one for responses. The two forms can differ, because
 * `Accept` selects the form of the response.
 */
class GrpcWeb implements UnaryProtocol, StreamProtocol {
  readonly name: ProtocolName;
  readonly framed = true;
  readonly headers = headerNames;
  readonly contentTypes: UnaryProtocol["contentTypes"];
  readonly requestForm: BodyForm;
  readonly responseForm: BodyForm;
  readonly timeoutMs = grpcTimeoutMs;
  readonly #unaryHeaders: ConstantHeaders;
  readonly #streamHeaders: ConstantHeaders;

  constructor(requestForm: BodyForm, responseForm: BodyForm) {
    this.name = responseForm === "base64" ? "grpc-web-text" : "grpc-web";
    this.contentTypes = requestForm === "base64" ? textTypes : binaryTypes;
    this.requestForm = requestForm;
    this.responseForm = responseForm;
    const types = { ...binaryTypes, ...(responseForm === "base64" && textTypes) };
    this.#unaryHeaders = constantHeaders(types);
    this.#streamHeaders = constantStreamHeaders(types);
  }

  checkHeaders(): void {}

  reply(message: Uint8Array, codec: CodecName, metadata: ReplyMetadata): HttpReply {
    const data = encodeFrame(metadata.encoding === undefined ? 0 : FLAG_COMPRESSED, message);
    const frames = [inForm(this.responseForm, data), trailerFrame(this.responseForm, undefined, metadata.trailer)];
    return { kind: "complete", status: 200, headers: this.#replyHeaders(codec, metadata), body: Buffer.concat(frames) };
  }

  replyError(error: ConnectError, codec: CodecName, metadata: ReplyMetadata): HttpReply {
    const body = trailerFrame(this.responseForm, error, metadata.trailer);
    return { kind: "complete", status: 200, headers: this.#replyHeaders(codec, metadata), body };
  }

  streamHeaders(codec: CodecName, metadata: ReplyMetadata): ResponseHeaders {
    return replyHeaders(this.#streamHeaders[codec], metadata, this.headers.encoding);
  }

  #replyHeaders(codec: CodecName, metadata: ReplyMetadata): ResponseHeaders {
    return replyHeaders(this.#unaryHeaders[codec], metadata, this.headers.encoding);
  }

  streamEnd(error: ConnectError | undefined, trailer: Headers | undefined): StreamEnd {
    return { frame: trailerFrame(this.responseForm, error, trailer), trailers: undefined };
  }
}

export const grpcWeb = new GrpcWeb("binary", "binary");
export const grpcWebText = new GrpcWeb("base64", "base64");
const binaryAnsweredInText = new GrpcWeb("binary", "base64");
const textAnsweredInBinary = new GrpcWeb("base64", "binary");

/**
 * Returns the protocol of a gRPC-Web call. If `accept` names exactly one form, the response has this form. Otherwise, the
 * response has the form of the request. See "Text-encoded (response) streams" in the specification.
 */
export function grpcWebAccepting(requestForm: BodyForm, accept: string | null): UnaryProtocol & StreamProtocol {
  const namesText = accept !== null && TEXT_TYPE.test(accept);
  const namesBinary = accept !== null && BINARY_TYPE.test(accept);
  const responseForm = namesText === namesBinary ? requestForm : namesText ? "base64" : "binary";
  if (requestForm === "base64") return responseForm === "base64" ? grpcWebText : textAnsweredInBinary;
  return responseForm === "base64" ? binaryAnsweredInText : grpcWeb;
}

const TEXT_TYPE = /application\/grpc-web-text/i;
const BINARY_TYPE = /application\/grpc-web(?!-)/i;

function inForm(form: BodyForm, frame: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return form === "base64" ? encodeBase64(frame) : frame;
}

/**
 * The last frame of a successful response if the handler set no trailers. It is encoded only once, because most responses end
 * with it.
 */
const okTrailer = encodeTrailer(setTrailerStatus(new Headers(), undefined));
const okTrailers = { binary: okTrailer, base64: encodeBase64(okTrailer) };

function trailerFrame(form: BodyForm, error: ConnectError | undefined, trailer: Headers | undefined): Uint8Array<ArrayBuffer> {
  if (error === undefined && trailer === undefined) return okTrailers[form];
  return inForm(form, encodeTrailer(setTrailerStatus(new Headers(trailer), error)));
}

function encodeTrailer(trailer: Headers): Uint8Array<ArrayBuffer> {
  return encodeFrame(trailerFlag, trailerSerialize(trailer));
}
