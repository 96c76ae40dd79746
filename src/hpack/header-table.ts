/** RFC 7541 4.1: octets that each entry counts in addition to its strings. */
const ENTRY_OVERHEAD = 32;

/** A field of an encoder's dynamic table. Its strings are as sent, with their length prefixes. */
export interface TableField {
  /** An index in the static table, or a string. */
  readonly name: number | Uint8Array;
  readonly value: Uint8Array;
  /** Decoded octets of name and value. */
  readonly octets: number;
  readonly nameOctets: number;
}

/** A copy of an encoder's dynamic table, kept from its output (RFC 7541 2.3.2). */
export class HeaderTable {
  /** The oldest first. */
  #fields: TableField[] = [];
  #size = 0;
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** `age`: 0 for the newest field. */
  at(age: number): TableField {
    const field = this.#fields.at(-1 - age);
    if (field === undefined) throw new RangeError("the dynamic table has no such field");
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

  /** RFC 7541 4.3, 4.4. A field that is larger than the table empties it. */
  #evict(): void {
    let evicted = 0;
    for (; this.#size > this.#capacity; evicted++) this.#size -= (this.#fields[evicted]?.octets ?? 0) + ENTRY_OVERHEAD;
    if (evicted > 0) this.#fields = this.#fields.slice(evicted);
  }
}
