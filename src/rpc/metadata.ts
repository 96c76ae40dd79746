import type { CodecName } from "./codec.ts";
import type { ResponseHeaders } from "./http.ts";
import type { ReplyMetadata } from "./protocol.ts";

type Constant = Readonly<Record<string, string>>;

/** The headers of a reply to which no handler added any, made once for each codec. */
export function constantHeaders(contentTypes: Readonly<Record<CodecName, string>>): Readonly<Record<CodecName, Constant>> {
  return { proto: { "content-type": contentTypes.proto }, json: { "content-type": contentTypes.json } };
}

/** The constant headers as they are, or with what the call added. */
export function replyHeaders(constant: Constant, metadata: ReplyMetadata, encodingHeader: string): ResponseHeaders {
  if (metadata.header === undefined && metadata.encoding === undefined) return constant;
  const headers = new Headers(metadata.header);
  for (const [name, value] of Object.entries(constant)) headers.set(name, value);
  if (metadata.encoding !== undefined) headers.set(encodingHeader, metadata.encoding);
  return headers;
}
