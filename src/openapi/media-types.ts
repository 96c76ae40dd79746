import { isObject } from "../config/decoder.ts";
import { mediaType } from "../config/routes.ts";

/** Returns the media types of an OpenAPI `content` object, in lower case and without parameters. */
export function mediaTypesOf(content: unknown): string[] {
  if (!isObject(content)) return [];
  return Object.keys(content).map(essenceOf);
}

/** Whether one of the types is `application/json` or a range that includes it. */
export function acceptsJson(types: readonly string[]): boolean {
  return types.some((type) => type === "application/json" || type === "application/*" || type === "*/*");
}

/** Whether a route without `response = "raw"` accepts answers of this type, such as `application/problem+json`. */
export function isJson(type: string): boolean {
  return acceptsJson([type]) || /^application\/.+\+json$/.test(type);
}

/** Whether a Content-Type needs a boundary (RFC 2046 5.1), which is different in each message. */
export function isMultipart(type: string): boolean {
  return type.startsWith("multipart/");
}

/**
 * Converts a media type to one that the configuration of a route accepts. If the type is not accepted with its parameters, removes
 * them. Returns `undefined` for a range such as `image/*`.
 */
export function routeMediaType(type: string): string | undefined {
  return [type.trim(), essenceOf(type)].find((each) => mediaType.decode(each).ok);
}

function essenceOf(type: string): string {
  return (type.split(";")[0] ?? "").trim().toLowerCase();
}
