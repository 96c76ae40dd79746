import type { JsonValue } from "@bufbuild/protobuf";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { JSON_NUMBER_CHARACTERS_MAX, LENIENT_BASE64_CHARACTERS_MAX } from "./limits.ts";

/**
 * Checks the JSON value of one field or message. Returns the JSON value to pass to protobuf-es: the value itself, or a
 * rewritten one.
 */
type Prepare = (json: JsonValue) => JsonValue;

/**
 * Checks and rewrites the JSON value of a message before protobuf-es decodes it, so that decoding takes linear time. Modifies
 * `json` in place.
 *
 * - Throws if a string in a number field exceeds `JSON_NUMBER_CHARACTERS_MAX`, because BigInt takes quadratic time.
 * - Converts long base64 to the alphabet that protobuf-es decodes natively. Throws if long base64 is invalid.
 * - Does not check types or unknown names. protobuf-es checks them.
 */
export function prepareFields(desc: DescMessage, json: JsonValue): JsonValue {
  return messagePreparer(desc)(json);
}

const preparers = new WeakMap<DescMessage, Prepare>();

function messagePreparer(desc: DescMessage): Prepare {
  const known = preparers.get(desc);
  if (known !== undefined) return known;
  const byName = new Map<string, Prepare>();
  const prepare: Prepare = wellKnown(desc) ?? ((json) => objectOf(byName, json));
  // The function is stored before the fields are visited. Otherwise, a recursive type would cause infinite recursion.
  preparers.set(desc, prepare);
  for (const field of desc.fields) {
    const prepareField = fieldPreparer(field);
    byName.set(field.name, prepareField).set(field.jsonName, prepareField);
  }
  return prepare;
}

function objectOf(byName: ReadonlyMap<string, Prepare>, json: JsonValue): JsonValue {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  for (const name of Object.keys(json)) {
    const prepare = byName.get(name);
    const value = json[name];
    if (prepare === undefined || value === undefined) continue;
    json[name] = prepare(value);
  }
  return json;
}

/**
 * Matches the google.protobuf types for numbers, booleans and times. A JSON string of such a type must be short (`shortText`).
 */
const SHORT_TEXT_TYPES = /^google\.protobuf\.(Timestamp|Duration|((Double|Float|U?Int32|U?Int64|Bool)Value))$/;
/** Matches the google.protobuf types whose JSON is not rewritten, because protobuf-es decodes it in linear time. */
const UNCHANGED_TYPES = /^google\.protobuf\.(Any|FieldMask|Struct|Value|ListValue|StringValue)$/;

function wellKnown({ typeName }: DescMessage): Prepare | undefined {
  if (typeName === "google.protobuf.BytesValue") return base64;
  if (SHORT_TEXT_TYPES.test(typeName)) return shortText;
  return UNCHANGED_TYPES.test(typeName) ? (json) => json : undefined;
}

function fieldPreparer(field: DescField): Prepare {
  switch (field.fieldKind) {
    case "scalar":
      return scalarPreparer(field.scalar);
    case "enum":
      return shortText;
    case "message":
      return messagePreparer(field.message);
    case "list":
      return listOf(field.listKind === "message" ? messagePreparer(field.message) : scalarOrEnum(field.scalar));
    case "map":
      return mapOf(
        scalarPreparer(field.mapKey),
        field.mapKind === "message" ? messagePreparer(field.message) : scalarOrEnum(field.scalar),
      );
  }
}

function scalarOrEnum(scalar: ScalarType | undefined): Prepare {
  return scalar === undefined ? shortText : scalarPreparer(scalar);
}

function scalarPreparer(scalar: ScalarType): Prepare {
  if (scalar === ScalarType.STRING) return (json) => json;
  return scalar === ScalarType.BYTES ? base64 : shortText;
}

function listOf(prepare: Prepare): Prepare {
  return (json) => {
    if (!Array.isArray(json)) return json;
    for (const [at, value] of json.entries()) json[at] = prepare(value);
    return json;
  };
}

function mapOf(prepareKey: Prepare, prepare: Prepare): Prepare {
  return (json) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
    for (const [key, value] of Object.entries(json)) {
      prepareKey(key);
      json[key] = prepare(value);
    }
    return json;
  };
}

function shortText(json: JsonValue): JsonValue {
  if (typeof json === "string" && json.length > JSON_NUMBER_CHARACTERS_MAX) throw new Error("text for a number is too long");
  return json;
}

function base64(json: JsonValue): JsonValue {
  if (typeof json !== "string" || json.length <= LENIENT_BASE64_CHARACTERS_MAX) return json;
  const isUrlSafe = json.includes("-") || json.includes("_");
  const bytes = Uint8Array.fromBase64(json, { alphabet: isUrlSafe ? "base64url" : "base64" });
  return isUrlSafe ? bytes.toBase64() : json;
}
