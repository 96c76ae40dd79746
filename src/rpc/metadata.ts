import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;
export type ConstantHeaders = Readonly<Record<CodecName, Constant>>;

/** Returns, for each codec, the response headers that are the same for every call. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): ConstantHeaders {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
}

/**
 * Headers of streaming responses, for proxies. `x-accel-buffering` stops nginx from buffering a response. `no-transform` forbids
 * proxies to compress it (RFC 9111 5.2.2.6). Buffering and compression would delay messages.
 */
const UNBUFFERED = { "x-accel-buffering": "no", "cache-control": "no-transform" };

/** Returns, for each codec, the response headers that are the same for every streaming call. */
export function constantStreamHeaders(contentTypes: Readonly<Record<CodecName, string>>): ConstantHeaders {
  const { proto, json } = constantHeaders(contentTypes);
  return { proto: { ...proto, ...UNBUFFERED }, json: { ...json, ...UNBUFFERED } };
}

/**
 * Returns the response headers of a call: the constant headers, the headers that the handler added, and the compression header.
 * Returns `constant` itself if there are only constant headers.
 */
export function replyHeaders(constant: Constant, metadata: ReplyMetadata, encodingHeader: string): ResponseHeaders {
  if (metadata.header === undefined && metadata.encoding === undefined) return constant;
  const headers = new Headers(metadata.header);
  for (const [name, value] of Object.entries(constant)) headers.set(name, value);
  if (metadata.encoding !== undefined) headers.set(encodingHeader, metadata.encoding);
  return headers;
}
