import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;

/** Returns the response headers that are the same for every call of a codec. The headers that a handler adds are not included. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): Readonly<Record<CodecName, Constant>> {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
}

/**
 * Returns the response headers of a call: the constant headers, the headers that the handler added, and the compression header. If the call
 * adds no headers, returns `constant` itself.
 */
export function replyHeaders(constant: Constant, metadata: ReplyMetadata, encodingHeader: string): ResponseHeaders {
  if (metadata.header === undefined && metadata.encoding === undefined) return constant;
  const headers = new Headers(metadata.header);
  for (const [name, value] of Object.entries(constant)) headers.set(name, value);
  if (metadata.encoding !== undefined) headers.set(encodingHeader, metadata.encoding);
  return headers;
}
