/** The size of a table entry is the length of its name and value in octets, plus this overhead (RFC 7541 4.1). */
const ENTRY_OVERHEAD = 32;

/** A field of an encoder's dynamic table. Strings are stored as sent, with their length prefixes. */
export interface TableField {
  /** The index of the name in the static table, or the name as a string literal (RFC 7541 5.2). */
  readonly name: number | Uint8Array;
  readonly value: Uint8Array;
  /** Length of name and value together, after decoding, in octets. */
  readonly octets: number;
  /** Length of the name after decoding, in octets. */
  readonly nameOctets: number;
}

/** A copy of an encoder's dynamic table (RFC 7541 2.3.2), built from the header blocks that the encoder writes. */
export class HeaderTable {
  /** The oldest field is the first. */
  #fields: TableField[] = [];
  #size = 0;
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Returns a field by its age: 0 for the newest field, 1 for the field that was added before it. */
  at(age: number): TableField {
    const field = this.#fields.at(-1 - age);
    if (field === undefined) throw new RangeError("no field of the dynamic table has this index");
    return field;
  }

  add(field: TableField): void {
    this.#fields.push(field);
    this.#size += field.octets + ENTRY_OVERHEAD;
    this.#evict();
  }

  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#evict();
  }

  /**
   * Evicts the oldest fields until the size is within the capacity (RFC 7541 4.3, 4.4). A field that is larger than the
   * capacity empties the table.
   */
  #evict(): void {
    let evicted = 0;
    for (; this.#size > this.#capacity; evicted++) this.#size -= (this.#fields[evicted]?.octets ?? 0) + ENTRY_OVERHEAD;
    if (evicted > 0) this.#fields = this.#fields.slice(evicted);
  }
}
