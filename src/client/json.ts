import type { JsonValue } from "@bufbuild/protobuf";

/** The parsed JSON, or `undefined` if the text is not JSON. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The member of a JSON object; `undefined` if the value is no object or lacks the member. */
export function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Like `member`; `undefined` also if the member is not a string. */
export function textMember(value: JsonValue | undefined, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === "string" ? found : undefined;
}

/** Like `member`; `undefined` also if the member is not a number. */
export function numberMember(value: JsonValue | undefined, name: string): number | undefined {
  const found = member(value, name);
  return typeof found === "number" ? found : undefined;
}
