import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { MESSAGE_DEPTH_MAX, PROTO_FIELDS_MAX } from "./limits.ts";

const VARINT_BYTES_MAX = 10;

/** How a field's value is written. */
type Shape =
  | { readonly kind: "varint" | "bit32" | "bit64" | "bytes" | "text" }
  | { readonly kind: "message" | "group"; readonly fields: () => Fields }
  | { readonly kind: "list"; readonly item: Shape };

/** The fields of a message that are known, by their numbers. */
type Fields = ReadonlyMap<number, Shape>;

/**
 * Bounds what protobuf-es is to read of a message: how many fields there are, in all of its messages, and how deep. A field that occurs
 * again counts again, be it unknown or merged, and so does each item of a packed list. Throws on what is over a bound, or cannot be
 * followed. Goes through the bytes as protobuf-es does, which reads a known field by its type, whatever its wire type is.
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

  #field(shape: Shape | undefined, tag: number, depth: number): void {
    this.#count();
    if (shape === undefined) this.#unknown(tag, depth);
    else this.#known(shape, tag, depth);
  }

  #known(shape: Shape, tag: number, depth: number): void {
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

  #list(item: Shape, tag: number, depth: number): void {
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
    else throw new Error("a field is of no wire type");
  }

  #group(fields: Fields | undefined, start: number, depth: number): void {
    checkDepth(depth);
    for (;;) {
      const tag = this.#varint();
      if ((tag & 7) !== WireType.EndGroup) this.#field(fields?.get(tag >>> 3), tag, depth);
      else if (tag >>> 3 === start >>> 3) return;
      else throw new Error("a group ends that did not begin");
    }
  }

  /** The lower 32 bits. */
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

  /** TextDecoder takes 6 ns a byte to find out. */
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
  if (depth > MESSAGE_DEPTH_MAX) throw new Error("nested too deeply");
}

const known = new WeakMap<DescMessage, Fields>();

function fieldsOf(desc: DescMessage): Fields {
  const made = known.get(desc);
  if (made !== undefined) return made;
  const fields = new Map(desc.fields.map((field) => [field.number, shapeOf(field)]));
  known.set(desc, fields);
  return fields;
}

function shapeOf(field: DescField): Shape {
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

function itemShape(field: DescField & { readonly fieldKind: "list" }): Shape {
  if (field.listKind === "message") return messageShape(field.message, field.delimitedEncoding);
  return scalarShape(field.scalar, field.utf8Validation);
}

/** Of what a message holds, only when it is needed: it may hold itself. */
function messageShape(desc: DescMessage, isGroup: boolean): Shape {
  return { kind: isGroup ? "group" : "message", fields: () => fieldsOf(desc) };
}

/** `undefined`: an enum. */
function scalarShape(scalar: ScalarType | undefined, isValidated: boolean): Shape {
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

function isPackable({ kind }: Shape): boolean {
  return kind === "varint" || kind === "bit32" || kind === "bit64";
}
