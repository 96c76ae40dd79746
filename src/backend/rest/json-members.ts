import { utf8Text } from "../../core/json-body.ts";
import { JsonTextError, scanJson } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";
import type { FieldPath } from "../../core/route-template.ts";

/**
 * One field of a payload. Its name and value are JSON text, exactly as the client signed them, so a number keeps all of its
 * digits.
 */
export interface JsonMember {
  readonly nameSource: string;
  readonly source: string;
}

export type JsonMembers = ReadonlyMap<string, JsonMember>;

const NO_MEMBERS: JsonMembers = new Map();

/**
 * Throws PAYLOAD_INVALID unless the payload is empty or valid JSON in UTF-8. JSON that two parsers may read differently, such
 * as an object with duplicate keys, is invalid (proto/backend.md, "Commands").
 */
export function checkPayload(payloadBytes: Uint8Array): void {
  if (payloadBytes.byteLength > 0) scanPayload(payloadBytes);
}

/**
 * Checks a payload and returns its top-level fields, in order. Returns no fields if the payload is empty. Throws
 * PAYLOAD_INVALID if the payload is not a JSON object, or if `checkPayload` would reject it.
 */
export function readMembers(payloadBytes: Uint8Array): JsonMembers {
  if (payloadBytes.byteLength === 0) return NO_MEMBERS;
  const members = new Map<string, JsonMember>();
  let isObject = true;
  const text = scanPayload(payloadBytes, ({ nameSource, name, source }) => {
    if (name === undefined || nameSource === undefined) isObject = false;
    else members.set(name, { nameSource, source });
  });
  if (!isObject || !text.trimStart().startsWith("{")) throw payloadInvalid("payload");
  return members;
}

/**
 * Returns the JSON text of each element of an array. `source` is the JSON text of the array. `scanJson` must have accepted it
 * before.
 */
export function elementsOf(source: string): string[] {
  const elements: string[] = [];
  scanJson(source, (child) => elements.push(child.source));
  return elements;
}

/** Returns the fields of an object from its JSON text, or `undefined` if the text is not an object. */
export function membersOf(source: string): JsonMembers | undefined {
  if (!source.startsWith("{")) return undefined;
  const members = new Map<string, JsonMember>();
  scanJson(source, ({ nameSource, name, source }) => {
    if (name !== undefined && nameSource !== undefined) members.set(name, { nameSource, source });
  });
  return members;
}

/** Returns the field at a path of names. Returns `undefined` if a name is missing, or if a value on the way is not an object. */
export function memberAt(members: JsonMembers, [name = "", ...rest]: FieldPath): JsonMember | undefined {
  const member = members.get(name);
  if (member === undefined || rest.length === 0) return member;
  const inner = membersOf(member.source);
  return inner && memberAt(inner, rest);
}

/** Returns all fields except those at the given paths. Every returned field keeps its JSON text. */
export function without(members: JsonMembers, paths: readonly FieldPath[]): JsonMembers {
  if (paths.length === 0) return members;
  const kept = new Map<string, JsonMember>();
  for (const [name, member] of members) {
    const below = paths.filter(([first]) => first === name).map(([, ...rest]) => rest);
    if (below.some((rest) => rest.length === 0)) continue;
    const inner = below.length > 0 ? membersOf(member.source) : undefined;
    kept.set(name, inner === undefined ? member : { ...member, source: objectText(without(inner, below)) });
  }
  return kept;
}

/** Returns the JSON text of an object with these fields. */
export function objectText(members: JsonMembers): string {
  return `{${[...members.values()].map(({ nameSource, source }) => `${nameSource}:${source}`).join(",")}}`;
}

function scanPayload(payloadBytes: Uint8Array, onChild?: Parameters<typeof scanJson>[1]): string {
  const text = utf8Text(payloadBytes);
  if (text === undefined) throw payloadInvalid("payload");
  try {
    scanJson(text, onChild);
  } catch (thrown) {
    throw thrown instanceof JsonTextError ? payloadInvalid(thrown.field ?? "payload") : thrown;
  }
  return text;
}
