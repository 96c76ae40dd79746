import { Code, ConnectError } from "@connectrpc/connect";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  contentTypeStreamJson,
  contentTypeStreamProto,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
  headerProtocolVersion,
  headerStreamAcceptEncoding,
  headerStreamEncoding,
  headerTimeout,
  headerUnaryAcceptEncoding,
  headerUnaryEncoding,
  parseTimeout,
  protocolVersion,
  trailerMux,
} from "@connectrpc/connect/protocol-connect";
import { encodeFrame } from "./frame.ts";
import type { HeaderReader } from "./http.ts";
import { TIMEOUT_CHARACTERS_MAX, TIMER_MS_MAX } from "./limits.ts";
import { constantHeaders, constantStreamHeaders, replyHeaders } from "./metadata.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

// The Connect protocol is specified at https://connectrpc.com/docs/protocol.
const utf8 = new TextEncoder();

function timeoutMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const { timeoutMs, error } = parseTimeout(value.slice(0, TIMEOUT_CHARACTERS_MAX), Number.MAX_SAFE_INTEGER);
  if (error !== undefined) throw error;
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, TIMER_MS_MAX);
}

/** Throws ConnectError if `Connect-Protocol-Version` is not `protocolVersion`. The header may be missing. */
function checkHeaders(headers: HeaderReader): void {
  const version = headers.get(headerProtocolVersion.toLowerCase());
  if (version !== null && version !== protocolVersion) {
    throw new ConnectError(`${headerProtocolVersion} must be "${protocolVersion}"`, Code.InvalidArgument);
  }
}

const unaryContentTypes = { proto: contentTypeUnaryProto, json: contentTypeUnaryJson };
const unaryHeaders = constantHeaders(unaryContentTypes);

/**
 * The unary protocol of Connect (sections "Unary-Request" and "Unary-Response" of the specification). Messages are not framed.
 * An error is JSON with an HTTP error status.
 */
export const connectUnary: UnaryProtocol = {
  name: "connect",
  framed: false,
  headers: {
    timeout: headerTimeout.toLowerCase(),
    encoding: headerUnaryEncoding.toLowerCase(),
    acceptEncoding: headerUnaryAcceptEncoding.toLowerCase(),
  },
  contentTypes: unaryContentTypes,
  requestForm: "binary",
  responseForm: "binary",
  timeoutMs,
  checkHeaders,
  reply(message, codec, metadata) {
    const headers = withTrailers(replyHeaders(unaryHeaders[codec], metadata, this.headers.encoding), metadata.trailer);
    return { kind: "complete", status: 200, headers, body: message };
  },
  replyError(error, _codec, metadata) {
    const headers = new Headers(metadata.header);
    mergeNonProtocolHeaders(headers, error.metadata);
    headers.set("content-type", contentTypeUnaryJson);
    const muxed = withTrailers(headers, metadata.trailer);
    return { kind: "complete", status: codeToHttpStatus(error.code), headers: muxed, body: errorToJsonBytes(error, undefined) };
  },
};

/** Copies each trailer of a unary response to the response headers. The header name is `trailer-` and the name of the trailer. */
function withTrailers<H extends Headers | Readonly<Record<string, string>>>(headers: H, trailer: Headers | undefined) {
  return trailer === undefined ? headers : trailerMux(new Headers(headers), trailer);
}

const streamContentTypes = { proto: contentTypeStreamProto, json: contentTypeStreamJson };
const streamHeaders = constantStreamHeaders(streamContentTypes);

/**
 * The streaming protocol of Connect (sections "Streaming-Request" and "Streaming-Response" of the specification). A stream
 * consists of framed messages and one final EndStreamResponse in JSON.
 */
export const connectStream: StreamProtocol = {
  name: "connect",
  framed: true,
  headers: {
    timeout: headerTimeout.toLowerCase(),
    encoding: headerStreamEncoding.toLowerCase(),
    acceptEncoding: headerStreamAcceptEncoding.toLowerCase(),
  },
  contentTypes: streamContentTypes,
  requestForm: "binary",
  responseForm: "binary",
  timeoutMs,
  checkHeaders,
  streamHeaders(codec, metadata) {
    return replyHeaders(streamHeaders[codec], metadata, this.headers.encoding);
  },
  streamEnd(error, trailer) {
    const end = endStreamToJson(new Headers(trailer), error, undefined);
    return { frame: encodeFrame(endStreamFlag, utf8.encode(JSON.stringify(end))), trailers: undefined };
  },
};
