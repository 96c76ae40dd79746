import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import { HttpFailure } from "./http-failure.ts";

/** The Content-Type of an answer whose body is JSON, as declared and in fact; an `HttpFailure` for any other. */
export function requireJson(status: number, headers: Headers, body: Uint8Array): string {
  const contentType = headers.get("content-type");
  if (!isJsonType(contentType)) {
    throw new HttpFailure("bad_response", `HTTP ${status} with content-type ${contentType ?? "none"}`);
  }
  if (parseJson(utf8Text(body)) === undefined) throw new HttpFailure("bad_response", `HTTP ${status} with invalid JSON`);
  return contentType;
}
