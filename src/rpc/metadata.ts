import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;

/** The response headers without additions of a handler, created once per codec. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): Readonly<Record<CodecName, Constant>> {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
}

/** The constant headers, with the headers of the call and its compression added. Without additions, returns `constant` itself. */
export function replyHeaders(constant: Constant, metadata: ReplyMetadata, encodingHeader: string): ResponseHeaders {
  if (metadata.header === undefined && metadata.encoding === undefined) return constant;
  const headers = new Headers(metadata.header);
  for (const [name, value] of Object.entries(constant)) headers.set(name, value);
  if (metadata.encoding !== undefined) headers.set(encodingHeader, metadata.encoding);
  return headers;
}
