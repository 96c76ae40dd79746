import type { JsonValue } from "@bufbuild/protobuf";

/** Returns the parsed JSON, or `undefined` if the text is not JSON. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the member `name` of a JSON object. Returns `undefined` if the value is not an object or has no such member. */
export function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Returns the member `name` if it is a string. Returns `undefined` if it is missing or has another type. */
export function textMember(value: JsonValue | undefined, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === "string" ? found : undefined;
}

/** Returns the member `name` if it is a number. Returns `undefined` if it is missing or has another type. */
export function numberMember(value: JsonValue | undefined, name: string): number | undefined {
  const found = member(value, name);
  return typeof found === "number" ? found : undefined;
}
