import { HeaderTable, type TableField } from "./header-table.ts";
import { huffmanLength } from "./huffman.ts";

/** Lengths of the field names in the static table, in octets (RFC 7541 appendix A). */
const STATIC_NAME_OCTETS = [
  ...[10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27],
  ...[3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4, 4, 6, 7, 4, 4, 8, 17],
  ...[13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3],
  16,
];
const STATIC_FIELDS = STATIC_NAME_OCTETS.length;

/**
 * The encodings of a field, and of a size update (RFC 7541 6). In the first octet:
 * - The leading bits identify the encoding. `pattern` is their value.
 * - An integer starts in the last `bits` bits.
 */
const INDEXED = { pattern: 0x80, bits: 7 };
const WITH_INDEXING = { pattern: 0x40, bits: 6 };
const SIZE_UPDATE = { pattern: 0x20, bits: 5 };
const NEVER_INDEXED = { pattern: 0x10, bits: 4 };
const WITHOUT_INDEXING = { pattern: 0x00, bits: 4 };
const REPRESENTATIONS = [INDEXED, WITH_INDEXING, SIZE_UPDATE, NEVER_INDEXED, WITHOUT_INDEXING];

/** A size update (RFC 7541 6.3) that sets the size of the dynamic table to 0 octets. */
const EMPTY_TABLE = Uint8Array.of(SIZE_UPDATE.pattern);

/** Rewrites the header blocks of an HPACK encoder. After `makeLiteral`, the rewritten blocks do not use the dynamic table. */
export class HeaderRewriter {
  readonly #table: HeaderTable;
  #isLiteral = false;
  #updateDue = false;

  /** `capacity` is the maximum size of the encoder's dynamic table, in octets. */
  constructor(capacity: number) {
    this.#table = new HeaderTable(capacity);
  }

  /** From the next header block on, rewritten blocks neither refer to the dynamic table nor add fields to it. */
  makeLiteral(): void {
    this.#isLiteral = true;
  }

  /**
   * Starts the next header block with a size update. RFC 7541 4.2 requires it after the acknowledgement of a smaller table
   * size.
   */
  announceEmptyTable(): void {
    this.#updateDue = true;
  }

  /** Rewrites one complete header block. Throws RangeError if `block` is malformed. */
  rewrite(block: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = this.#updateDue ? [EMPTY_TABLE] : [];
    this.#updateDue = false;
    const reader = new BlockReader(block);
    while (!reader.isAtEnd) parts.push(...this.#field(reader));
    return Buffer.concat(parts);
  }

  /** Reads the next field or size update of the header block. Returns the bytes to send in its place. */
  #field(reader: BlockReader): Uint8Array[] {
    const start = reader.at;
    const { kind, index } = reader.representation();
    if (kind === SIZE_UPDATE) {
      this.#table.resize(index);
      return this.#isLiteral ? [] : [reader.since(start)];
    }
    if (kind === INDEXED) {
      const isUnchanged = !this.#isLiteral || index <= STATIC_FIELDS;
      return isUnchanged ? [reader.since(start)] : literal(WITHOUT_INDEXING, this.#fieldAt(index));
    }
    const name = index === 0 ? nameOf(reader.string()) : this.#nameAt(index);
    const value = reader.string();
    const field = { ...name, value: value.sent, octets: name.nameOctets + value.octets };
    if (kind === WITH_INDEXING) this.#table.add(field);
    if (!this.#isLiteral) return [reader.since(start)];
    return literal(kind === NEVER_INDEXED ? kind : WITHOUT_INDEXING, field);
  }

  #fieldAt(index: number): TableField {
    return this.#table.at(index - STATIC_FIELDS - 1);
  }

  #nameAt(index: number): Pick<TableField, "name" | "nameOctets"> {
    if (index > STATIC_FIELDS) return this.#fieldAt(index);
    return { name: index, nameOctets: STATIC_NAME_OCTETS[index - 1] ?? 0 };
  }
}

/** A string literal (RFC 7541 5.2). `sent`: its bytes as sent, with the length prefix. `octets`: its length after decoding. */
interface SentString {
  readonly sent: Uint8Array;
  readonly octets: number;
}

function nameOf({ sent, octets }: SentString) {
  return { name: sent, nameOctets: octets };
}

function literal({ pattern, bits }: typeof INDEXED, { name, value }: TableField): Uint8Array[] {
  if (typeof name !== "number") return [Uint8Array.of(pattern), name, value];
  const prefixMax = 2 ** bits - 1;
  // An index in the static table is at most 61. So its integer needs at most two octets (RFC 7541 5.1).
  return [name < prefixMax ? Uint8Array.of(pattern | name) : Uint8Array.of(pattern | prefixMax, name - prefixMax), value];
}

/** Reads a header block: its integers, its strings and the encodings of its fields (RFC 7541 5, 6). */
class BlockReader {
  readonly #block: Uint8Array;
  at = 0;

  constructor(block: Uint8Array) {
    this.#block = block;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#block.byteLength;
  }

  since(start: number): Uint8Array {
    return this.#block.subarray(start, this.at);
  }

  representation() {
    const first = this.#octet();
    const kind = REPRESENTATIONS.find(({ pattern, bits }) => first >> bits === pattern >> bits) ?? WITHOUT_INDEXING;
    return { kind, index: this.#integer(first, kind.bits) };
  }

  string(): SentString {
    const start = this.at;
    const first = this.#octet();
    const length = this.#integer(first, 7);
    const from = this.at;
    this.at += length;
    if (this.at > this.#block.byteLength) throw new RangeError("the header block ends within a string");
    const isHuffman = first >= 0x80;
    return { sent: this.since(start), octets: isHuffman ? huffmanLength(this.since(from)) : length };
  }

  #integer(first: number, bits: number): number {
    const prefixMax = 2 ** bits - 1;
    let value = first & prefixMax;
    if (value < prefixMax) return value;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const octet = this.#octet();
      value += (octet & 127) * scale;
      if (octet < 128) return value;
    }
    throw new RangeError("an integer of the header block is too large");
  }

  #octet(): number {
    const octet = this.#block[this.at++];
    if (octet === undefined) throw new RangeError("the header block ends within a field");
    return octet;
  }
}
