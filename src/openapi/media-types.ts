import { isObject } from "../config/decoder.ts";

/** Returns the media types of a `content` without their parameters, in lower case. */
export function mediaTypesOf(content: unknown): string[] {
  if (!isObject(content)) return [];
  return Object.keys(content).map((type) => (type.split(";")[0] ?? "").trim().toLowerCase());
}

/** Whether one of the types is `application/json` or a range that includes it. */
export function acceptsJson(types: readonly string[]): boolean {
  return types.some((type) => type === "application/json" || type === "application/*" || type === "*/*");
}

/** Whether a type is JSON, such as `application/problem+json`. */
export function isJson(type: string): boolean {
  return acceptsJson([type]) || /\+json$/.test(type);
}
