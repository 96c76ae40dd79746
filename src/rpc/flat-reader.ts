import { create, type DescMessage } from "@bufbuild/protobuf";
import { type FlatField, type FlatMessage, type FlatType, type FlatValue, flatType } from "./flat-fields.ts";
import { FLAT_TEXT_BYTES_MAX } from "./limits.ts";

const ASCII_MAX = 0x7f;
/** Maximum tag (field number and wire type) that fits in one byte. protobuf-es decodes messages with larger tags. */
const TAG_MAX = 0x7f;
/** Maximum length of a varint, in bytes. 7 bytes hold 49 bits, which a JavaScript number represents exactly. */
const VARINT_BYTES_MAX = 7;
/** Maximum length of a bytes field that is copied, in bytes. A longer field becomes a view of the request's bytes. */
const COPIED_BYTES_MAX = 4096;

/**
 * Returns a fast reader for a type of flat messages (flat-fields.ts). Returns `undefined` if the type is not flat.
 *
 * The reader decodes only the form that encoders usually produce: known fields, in order, without repetition, with ASCII
 * strings. For all other bytes, valid or invalid, the reader returns `undefined`. The caller must then decode the bytes with
 * protobuf-es.
 */
export function flatReader(desc: DescMessage): ((bytes: Uint8Array) => FlatMessage | undefined) | undefined {
  const type = flatType(desc);
  if (type === undefined) return undefined;
  const readPlan = planOf(type);
  return (bytes) => new FlatReader(bytes).message(readPlan, bytes.byteLength);
}

interface ReadPlan {
  /** An empty message with default values. Each new message starts as a copy of it. */
  readonly zero: FlatMessage;
  readonly byTag: readonly (PlannedField | undefined)[];
}

interface PlannedField extends FlatField {
  readonly readPlan: ReadPlan | undefined;
}

function planOf({ desc, fields }: FlatType): ReadPlan {
  const byTag: PlannedField[] = [];
  for (const field of fields) {
    if (field.tag <= TAG_MAX) byTag[field.tag] = { ...field, readPlan: field.message && planOf(field.message) };
  }
  // The cast removes `$unknown` from the type. An empty message does not have this property.
  return { zero: { ...(create(desc) as object) }, byTag };
}

class FlatReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message({ zero, byTag }: ReadPlan, end: number): FlatMessage | undefined {
    const message = { ...zero };
    let lastTag = 0;
    while (this.#at < end) {
      const tag = this.#bytes[this.#at++] ?? 0;
      const field = byTag[tag];
      if (field === undefined || tag <= lastTag) return undefined;
      const value = field.kind === "int64" ? this.#int64(end) : this.#delimited(field, end);
      if (value === undefined) return undefined;
      message[field.name] = value;
      lastTag = tag;
    }
    return message;
  }

  #int64(end: number): bigint | undefined {
    const value = this.#varint(end);
    return value === undefined ? undefined : BigInt(value);
  }

  #delimited(field: PlannedField, end: number): FlatValue {
    const length = this.#varint(end);
    if (length === undefined || length > end - this.#at) return undefined;
    const valueEnd = this.#at + length;
    if (field.readPlan !== undefined) return this.message(field.readPlan, valueEnd);
    const start = this.#at;
    this.#at = valueEnd;
    return field.kind === "string" ? this.#text(start, valueEnd) : this.#copy(start, valueEnd);
  }

  #text(start: number, end: number): string | undefined {
    if (end - start > FLAT_TEXT_BYTES_MAX) return undefined;
    for (let at = start; at < end; at++) {
      if ((this.#bytes[at] ?? 0) > ASCII_MAX) return undefined;
    }
    return latin1(this.#bytes, start, end);
  }

  #copy(start: number, end: number): Uint8Array {
    return end - start <= COPIED_BYTES_MAX ? this.#bytes.slice(start, end) : this.#bytes.subarray(start, end);
  }

  #varint(end: number): number | undefined {
    let value = 0;
    let unit = 1;
    for (let count = 0; count < VARINT_BYTES_MAX && this.#at < end; count++) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
    return undefined;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}
