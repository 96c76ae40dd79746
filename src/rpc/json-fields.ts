import type { JsonValue } from "@bufbuild/protobuf";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { JSON_NUMBER_CHARACTERS_MAX, LENIENT_BASE64_CHARACTERS_MAX } from "./limits.ts";

/** Checks or rewrites the value of one field. Returns the value to decode. */
type Prepare = (json: JsonValue) => JsonValue;

/**
 * Prepares the JSON value of a message, so that protobuf-es decodes it in time proportional to its length. Text for a number is bounded,
 * since BigInt takes quadratic time. Long base64 is converted to the form that is decoded natively. Throws on a number over the bound, and
 * on invalid base64. Modifies the value. Wrong types and unknown names are left to protobuf-es.
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
  // Stored before the fields are visited: a field may have the same type.
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

/** Types of google.protobuf whose JSON form is the text of a number or a time. */
const SHORT_TEXT_TYPES = /^google\.protobuf\.(Timestamp|Duration|((Double|Float|U?Int32|U?Int64|Bool)Value))$/;
/** Types of google.protobuf with another JSON form, which is decoded in time proportional to its length. */
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
