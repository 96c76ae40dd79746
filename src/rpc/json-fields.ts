import type { JsonValue } from "@bufbuild/protobuf";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { JSON_NUMBER_CHARACTERS_MAX, LENIENT_BASE64_CHARACTERS_MAX } from "./limits.ts";

/** Makes ready what protobuf-es would take long to read of one field. */
type Prepare = (json: JsonValue) => JsonValue;

/**
 * Goes through a JSON value as a message of the type, and leaves nothing in it that takes protobuf-es more than time in proportion: text
 * for a number is bounded, for BigInt takes the square of its length; long base64 is in the one spelling that is decoded natively. Throws
 * on what is over the bound, or no base64. Changes the value. What is of a wrong type or an unknown name, protobuf-es has the say on.
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
  // Before its fields, of which one may be of this type.
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

/** The types of google.protobuf that JSON writes as text for a number or a time. */
const SHORT = /^google\.protobuf\.(Timestamp|Duration|((Double|Float|U?Int32|U?Int64|Bool)Value))$/;
/** Those of which it writes something else; what that is, is read in proportion to its length. */
const OTHERS = /^google\.protobuf\.(Any|FieldMask|Struct|Value|ListValue|StringValue)$/;

function wellKnown({ typeName }: DescMessage): Prepare | undefined {
  if (typeName === "google.protobuf.BytesValue") return base64;
  if (SHORT.test(typeName)) return shortText;
  return OTHERS.test(typeName) ? (json) => json : undefined;
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
