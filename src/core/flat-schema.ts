/**
 * A JSON Schema in one document. Its only references are `#/$defs/<name>`. It has no identifiers, no anchors and no
 * annotations.
 */
export interface FlatSchema {
  readonly $ref: string;
  readonly $defs: Readonly<Record<string, unknown>>;
}
