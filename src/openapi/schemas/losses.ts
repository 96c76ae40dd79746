import { isObject } from "../../config/decoder.ts";
import { childrenOf, type SchemaObject } from "./keywords.ts";

/** A part of a schema that is not in the generated file. */
export interface Loss {
  /** `#` and a JSON Pointer into the generated file. It points to the missing part, or to the schema that lacks the part. */
  readonly pointer: string;
  readonly reason: string;
}

type Defs = ReadonlyMap<string, SchemaObject | boolean>;

/**
 * The parts that are left out of one file. Without a part that checks values, a schema accepts more values than the document's
 * schema. A `not` around this schema then accepts fewer values, so the `not` is left out too. The same applies to other keywords,
 * such as `oneOf`.
 */
export class Losses {
  readonly list: Loss[] = [];
  readonly #schemas = new Set<SchemaObject>();
  readonly #lossyDefs = new Set<string>();

  /** Records that a part of this schema is left out. Without the part, the schema may accept more values. */
  add(schema: SchemaObject, pointer: string, reason: string): void {
    this.#schemas.add(schema);
    this.list.push({ pointer, reason });
  }

  /** Records that an annotation is left out. Its schema accepts the same values as before. */
  addAnnotation(pointer: string, reason: string): void {
    this.list.push({ pointer, reason });
  }

  /** Leaves out each keyword that could accept fewer values than in the document, because its schemas have losses. */
  spread(root: SchemaObject | boolean, defs: Defs): void {
    for (let before = -1; before < this.list.length && this.#schemas.size > 0; ) {
      before = this.list.length;
      this.#findLossyDefs(defs);
      for (const [name, schema] of [["", root] as const, ...defs]) this.#relax(schema, name === "" ? "#" : `#/$defs/${name}`);
    }
  }

  /** Finds the definitions that have losses themselves, or that refer to definitions with losses. */
  #findLossyDefs(defs: Defs): void {
    for (let before = -1; before < this.#lossyDefs.size; ) {
      before = this.#lossyDefs.size;
      for (const [name, schema] of defs) if (this.#isLossy(schema)) this.#lossyDefs.add(name);
    }
  }

  #isLossy(schema: unknown): boolean {
    const open: unknown[] = [schema];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (!isObject(next)) continue;
      if (this.#schemas.has(next)) return true;
      const { $ref } = next;
      if (typeof $ref === "string" && this.#lossyDefs.has($ref.slice("#/$defs/".length))) return true;
      open.push(...childrenOf(next).map(([, child]) => child));
    }
    return false;
  }

  #relax(root: SchemaObject | boolean, place: string): void {
    const open: SchemaObject[] = typeof root === "boolean" ? [] : [root];
    for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
      for (const keyword of this.#unsound(schema)) {
        if (keyword === "oneOf") allowSeveral(schema);
        delete schema[keyword];
        this.add(schema, place, `${keyword} is less strict, because a part of its schemas is left out`);
      }
      open.push(...childrenOf(schema).map(([, child]) => child));
    }
  }

  /** Returns the keywords of a schema that could accept fewer values than in the document, because of losses. */
  #unsound(schema: SchemaObject): string[] {
    const lossy = (keyword: string) => keyword in schema && this.#isLossy({ allOf: [schema[keyword]].flat() });
    const found = ["not", "oneOf"].filter(lossy);
    if (lossy("if")) found.push(...["if", "then", "else"].filter((keyword) => keyword in schema));
    if (lossy("contains") && "maxContains" in schema) found.push("maxContains");
    const unevaluated = ["unevaluatedProperties", "unevaluatedItems"].filter((keyword) => keyword in schema);
    return unevaluated.length > 0 && this.#isLossy(schema) ? [...found, ...unevaluated] : found;
  }
}

/** Adds an `anyOf` with the schemas of `oneOf`. The caller deletes `oneOf`. */
function allowSeveral(schema: SchemaObject): void {
  const allOf = Array.isArray(schema["allOf"]) ? schema["allOf"] : [];
  if ("anyOf" in schema) schema["allOf"] = [...allOf, { anyOf: schema["oneOf"] }];
  else schema["anyOf"] = schema["oneOf"];
}
