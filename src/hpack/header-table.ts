/** Size of an entry in addition to the octets of its name and value (RFC 7541 4.1). */
const ENTRY_OVERHEAD = 32;

/** A field of an encoder's dynamic table. The bytes of its name and value are as sent, with their length prefixes. */
export interface TableField {
  /** The name's index in the static table, or the bytes of the name. */
  readonly name: number | Uint8Array;
  readonly value: Uint8Array;
  /** Length of name and value together after decoding, in octets. */
  readonly octets: number;
  /** Length of the name after decoding, in octets. */
  readonly nameOctets: number;
}

/** A copy of an encoder's dynamic table (RFC 7541 2.3.2). The copy is built from the header blocks that the encoder writes. */
export class HeaderTable {
  /** The oldest field is the first. */
  #fields: TableField[] = [];
  #size = 0;
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The newest field has the age 0, the field before it the age 1. */
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
   * Evicts the oldest fields until the table fits its capacity (RFC 7541 4.3, 4.4). A field larger than the capacity leaves the table
   * empty.
   */
  #evict(): void {
    let evicted = 0;
    for (; this.#size > this.#capacity; evicted++) this.#size -= (this.#fields[evicted]?.octets ?? 0) + ENTRY_OVERHEAD;
    if (evicted > 0) this.#fields = this.#fields.slice(evicted);
  }
}
