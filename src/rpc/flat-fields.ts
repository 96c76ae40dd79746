import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

export type FlatValue = string | bigint | Uint8Array | FlatMessage | undefined;

/** A flat message. No field is repeated. Each field is a string, bytes, an int64 or another flat message. */
export interface FlatMessage {
  [field: string]: FlatValue;
}

export type FlatKind = "string" | "bytes" | "int64" | "message";

export interface FlatField {
  readonly name: string;
  readonly kind: FlatKind;
  /** The tag of the wire format: field number and wire type. */
  readonly tag: number;
  /** The type of the nested message if `kind` is `message`. */
  readonly message: FlatType | undefined;
}

/** A message type whose messages are flat. `fields` are sorted by field number. */
export interface FlatType {
  readonly desc: DescMessage;
  readonly fields: readonly FlatField[];
}

/**
 * Returns the flat type of a descriptor. Returns `undefined` if the type is not flat. A recursive type is not flat. `enclosing`
 * lists the types that contain this type.
 */
export function flatType(desc: DescMessage, enclosing: readonly DescMessage[] = []): FlatType | undefined {
  if (enclosing.includes(desc)) return undefined;
  const fields: FlatField[] = [];
  for (const field of desc.fields.toSorted((a, b) => a.number - b.number)) {
    const flat = flatField(field, [...enclosing, desc]);
    if (flat === undefined) return undefined;
    fields.push(flat);
  }
  return { desc, fields };
}

function flatField(field: DescField, enclosing: readonly DescMessage[]): FlatField | undefined {
  const { localName: name, number } = field;
  if (field.oneof !== undefined) return undefined;
  if (field.fieldKind === "message" && !field.delimitedEncoding) {
    const message = flatType(field.message, enclosing);
    return message && { name, kind: "message", tag: (number << 3) | WireType.LengthDelimited, message };
  }
  if (field.fieldKind !== "scalar" || field.presence !== FeatureSet_FieldPresence.IMPLICIT) return undefined;
  const kind = kindOf(field.scalar);
  if (kind === undefined) return undefined;
  const wireType = kind === "int64" ? WireType.Varint : WireType.LengthDelimited;
  return { name, kind, tag: (number << 3) | wireType, message: undefined };
}

function kindOf(scalar: ScalarType): FlatKind | undefined {
  if (scalar === ScalarType.STRING) return "string";
  if (scalar === ScalarType.BYTES) return "bytes";
  return scalar === ScalarType.INT64 ? "int64" : undefined;
}
