import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;

/** Returns the response headers that every call of a codec has. A handler's headers are not included. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): Readonly<Record<CodecName, Constant>> {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
}

/** Adds the call's own headers and the compression header to `constant`. If there is nothing to add, returns `constant` itself. */
export function replyHeaders(constant: Constant, metadata: ReplyMetadata, encodingHeader: string): ResponseHeaders {
  if (metadata.header === undefined && metadata.encoding === undefined) return constant;
  const headers = new Headers(metadata.header);
  for (const [name, value] of Object.entries(constant)) headers.set(name, value);
  if (metadata.encoding !== undefined) headers.set(encodingHeader, metadata.encoding);
  return headers;
}
