import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;

/** Returns, for each codec, the response headers that are the same for every call. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): Readonly<Record<CodecName, Constant>> {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
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
