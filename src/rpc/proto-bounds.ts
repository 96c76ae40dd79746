import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { MESSAGE_DEPTH_MAX, PROTO_FIELDS_MAX } from "./limits.ts";

const VARINT_BYTES_MAX = 10;

/** The wire format of a field's value. */
type WireShape =
  | { readonly kind: "varint" | "bit32" | "bit64" | "bytes" | "text" }
  | { readonly kind: "message" | "group"; readonly fields: () => Fields }
  | { readonly kind: "list"; readonly item: WireShape };

/** Maps the field numbers of a message type to the wire formats of its fields. */
type Fields = ReadonlyMap<number, WireShape>;

/**
 * Checks a binary message before protobuf-es decodes it. Throws if the message has too many fields, is nested too deeply or is
 * malformed.
 *
 * - The number of fields includes the fields of nested messages. Each item of a repeated field counts as one field.
 * - A known field is parsed by its declared type, not by its wire type. protobuf-es does the same.
 */
export function checkProtoBounds(desc: DescMessage, bytes: Uint8Array): void {
  new ProtoBounds(bytes).message(fieldsOf(desc), bytes.byteLength, 1);
}

class ProtoBounds {
  readonly #bytes: Uint8Array;
  #at = 0;
  #fieldsLeft = PROTO_FIELDS_MAX;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(fields: Fields, end: number, depth: number): void {
    checkDepth(depth);
    while (this.#at < end) {
      const tag = this.#varint();
      this.#field(fields.get(tag >>> 3), tag, depth);
    }
  }

  #field(shape: WireShape | undefined, tag: number, depth: number): void {
    this.#count();
    if (shape === undefined) this.#unknown(tag, depth);
    else this.#known(shape, tag, depth);
  }

  #known(shape: WireShape, tag: number, depth: number): void {
    if (shape.kind === "varint") this.#varint();
    else if (shape.kind === "bit32") this.#skip(4);
    else if (shape.kind === "bit64") this.#skip(8);
    else if (shape.kind === "bytes") this.#skip(this.#varint());
    else if (shape.kind === "text") this.#text(this.#varint());
    else if (shape.kind === "group") this.#group(shape.fields(), tag, depth + 1);
    else if (shape.kind === "list") this.#list(shape.item, tag, depth);
    else if (shape.kind === "message") {
      const length = this.#varint();
      this.message(shape.fields(), this.#at + length, depth + 1);
    }
  }

  #list(item: WireShape, tag: number, depth: number): void {
    const isPacked = (tag & 7) === WireType.LengthDelimited && isPackable(item);
    if (isPacked) {
      const length = this.#varint();
      for (const end = this.#at + length; this.#at < end; this.#count()) this.#known(item, tag, depth);
    } else this.#known(item, tag, depth);
  }

  #unknown(tag: number, depth: number): void {
    const wireType = tag & 7;
    if (wireType === WireType.Varint) this.#varint();
    else if (wireType === WireType.Bit64) this.#skip(8);
    else if (wireType === WireType.LengthDelimited) this.#skip(this.#varint());
    else if (wireType === WireType.StartGroup) this.#group(undefined, tag, depth + 1);
    else if (wireType === WireType.Bit32) this.#skip(4);
    else throw new Error("a field has an unknown wire type");
  }

  #group(fields: Fields | undefined, start: number, depth: number): void {
    checkDepth(depth);
    for (;;) {
      const tag = this.#varint();
      if ((tag & 7) !== WireType.EndGroup) this.#field(fields?.get(tag >>> 3), tag, depth);
      else if (tag >>> 3 === start >>> 3) return;
      else throw new Error("the end of a group has no matching start");
    }
  }

  /** Reads a varint. Returns its lower 32 bits. */
  #varint(): number {
    let value = 0;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error("the message ends within a field");
      if (count < 5) value |= (byte & 0x7f) << (7 * count);
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error("a varint is too long");
  }

  #skip(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.byteLength) throw new Error("the message ends within a field");
  }

  /**
   * Skips a string. Throws if the string is not UTF-8. Uses `isUtf8`, because the TextDecoder of protobuf-es takes 6 ns per
   * byte.
   */
  #text(bytes: number): void {
    const start = this.#at;
    this.#skip(bytes);
    if (!isUtf8(this.#bytes.subarray(start, this.#at))) throw new Error("text is not UTF-8");
  }

  #count(): void {
    if (this.#fieldsLeft-- === 0) throw new Error("too many fields");
  }
}

function checkDepth(depth: number): void {
  if (depth > MESSAGE_DEPTH_MAX) throw new Error("the message is nested too deeply");
}

const fieldsByType = new WeakMap<DescMessage, Fields>();

function fieldsOf(desc: DescMessage): Fields {
  const known = fieldsByType.get(desc);
  if (known !== undefined) return known;
  const fields = new Map(desc.fields.map((field) => [field.number, shapeOf(field)]));
  fieldsByType.set(desc, fields);
  return fields;
}

function shapeOf(field: DescField): WireShape {
  switch (field.fieldKind) {
    case "scalar":
      return scalarShape(field.scalar, field.utf8Validation);
    case "enum":
      return { kind: "varint" };
    case "message":
      return messageShape(field.message, field.delimitedEncoding);
    case "list":
      return { kind: "list", item: itemShape(field) };
    case "map": {
      const value =
        field.mapKind === "message" ? messageShape(field.message, false) : scalarShape(field.scalar, field.utf8Validation);
      const entry = new Map([
        [1, scalarShape(field.mapKey, field.utf8Validation)],
        [2, value],
      ]);
      return { kind: "message", fields: () => entry };
    }
  }
}

function itemShape(field: DescField & { readonly fieldKind: "list" }): WireShape {
  if (field.listKind === "message") return messageShape(field.message, field.delimitedEncoding);
  return scalarShape(field.scalar, field.utf8Validation);
}

/** Returns the wire format of a message field. Its `fields` is a function, because a message type may contain itself. */
function messageShape(desc: DescMessage, isGroup: boolean): WireShape {
  return { kind: isGroup ? "group" : "message", fields: () => fieldsOf(desc) };
}

/** Returns the wire format of a scalar field or an enum field. For an enum field, `scalar` is `undefined`. */
function scalarShape(scalar: ScalarType | undefined, isValidated: boolean): WireShape {
  switch (scalar) {
    case ScalarType.STRING:
      return { kind: isValidated ? "text" : "bytes" };
    case ScalarType.BYTES:
      return { kind: "bytes" };
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
    case ScalarType.FLOAT:
      return { kind: "bit32" };
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.DOUBLE:
      return { kind: "bit64" };
    default:
      return { kind: "varint" };
  }
}

function isPackable({ kind }: WireShape): boolean {
  return kind === "varint" || kind === "bit32" || kind === "bit64";
}
