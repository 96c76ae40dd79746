/** A JSON Schema in one document. Its only references are `#/$defs/<name>`, and it has no identifiers, anchors and annotations. */
export interface FlatSchema {
  readonly $ref: string;
  readonly $defs: Readonly<Record<string, unknown>>;
}
