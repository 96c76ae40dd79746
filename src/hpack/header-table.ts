/**
 * Overhead that RFC 7541 4.1 adds to the size of each table entry, in octets. The size of an entry is this overhead plus the octets of its
 * name and value.
 */
const ENTRY_OVERHEAD = 32;

/** A field of an encoder's dynamic table. Its name and value are stored as they were sent, with their length prefixes. */
export interface TableField {
  /** If the name is in the static table, its index in this table. If not, the bytes of the name. */
  readonly name: number | Uint8Array;
  readonly value: Uint8Array;
  /** Length of the name plus length of the value, after decoding, in octets. */
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

  /** Returns a field by its age. The newest field has the age 0, the field before it has the age 1. */
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
   * Evicts the oldest fields until the total size is within the capacity (RFC 7541 4.3, 4.4). If one field alone is larger than the
   * capacity, the table becomes empty.
   */
  #evict(): void {
    let evicted = 0;
    for (; this.#size > this.#capacity; evicted++) this.#size -= (this.#fields[evicted]?.octets ?? 0) + ENTRY_OVERHEAD;
    if (evicted > 0) this.#fields = this.#fields.slice(evicted);
  }
}
