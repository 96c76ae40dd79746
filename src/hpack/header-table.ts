/** RFC 7541 4.1: what an entry counts for besides its octets. */
const ENTRY_OVERHEAD = 32;

/** A field of an encoder's dynamic table: its strings as they were sent, length and all. */
export interface TableField {
  /** The index in the static table, or the string. */
  readonly name: number | Uint8Array;
  readonly value: Uint8Array;
  /** Of name and value, not Huffman-coded. */
  readonly octets: number;
  readonly nameOctets: number;
}

/** The dynamic table that an encoder keeps, followed from what it sends (RFC 7541 2.3.2). */
export class HeaderTable {
  /** The newest last. */
  #fields: TableField[] = [];
  #size = 0;
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The field that was added `age` fields ago; 0 is the newest. */
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
