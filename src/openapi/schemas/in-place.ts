import { isObject } from "../../config/decoder.ts";
import { SchemaUnusable } from "./bundle.ts";
import { childrenOf, IN_PLACE, type SchemaObject } from "./keywords.ts";
import type { Losses } from "./losses.ts";

/** Maximum number of schemas that apply to one value. The step limit `STEPS_BASE` suffices for ten times as many. */
const APPLIED_MAX = 10_000;
/** Maximum length of a chain of references that apply to one value. The maximum bounds the recursion. */
const HOPS_MAX = 200;

type Defs = ReadonlyMap<string, SchemaObject | boolean>;

/**
 * Limits the number of schemas that apply to one value. Removes a reference by which a schema refers to itself for the same value,
 * such as `A: { allOf: [A] }`. With such a reference, the validation of a value would never end.
 */
export class InPlaceReferences {
  readonly #defs: Defs;
  readonly #losses: Losses;
  readonly #applied = new Map<string, number>();
  readonly #open: string[] = [];

  constructor(defs: Defs, losses: Losses) {
    this.#defs = defs;
    this.#losses = losses;
  }

  /** Checks `root` and all definitions: see `InPlaceReferences`. Throws `SchemaUnusable` if too many schemas apply to one value. */
  check(root: SchemaObject | boolean): void {
    this.#countTree(root);
    for (const name of this.#defs.keys()) this.#countDef(name);
    for (const schema of [root, ...this.#defs.values()]) this.#checkInner(schema);
  }

  /** Returns how many schemas apply to the same value as `schema`, including `schema` itself. */
  #countTree(schema: unknown): number {
    if (!isObject(schema)) return 1;
    let count = 1;
    const { $ref } = schema;
    if (typeof $ref === "string") count += this.#countReference(schema, $ref);
    for (const [keyword, child] of childrenOf(schema)) if (IN_PLACE.has(keyword)) count += this.#countTree(child);
    if (count > APPLIED_MAX) throw new SchemaUnusable(`more than ${APPLIED_MAX} schemas apply to one value`);
    return count;
  }

  #countReference(schema: SchemaObject, reference: string): number {
    const name = reference.slice("#/$defs/".length);
    if (!this.#open.includes(name)) return this.#countDef(name);
    delete schema["$ref"];
    this.#losses.add(schema, `#/$defs/${name}`, "it refers to itself for the same value");
    return 0;
  }

  #countDef(name: string): number {
    const known = this.#applied.get(name);
    if (known !== undefined) return known;
    if (this.#open.length >= HOPS_MAX) throw new SchemaUnusable(`more than ${HOPS_MAX} references follow each other`);
    this.#open.push(name);
    const count = this.#countTree(this.#defs.get(name));
    this.#open.pop();
    this.#applied.set(name, count);
    return count;
  }

  /** Checks the schemas inside `schema` that apply to other values, such as the schemas of properties and items. */
  #checkInner(schema: unknown): void {
    if (!isObject(schema)) return;
    for (const [keyword, child] of childrenOf(schema)) {
      if (!IN_PLACE.has(keyword)) this.#countTree(child);
      this.#checkInner(child);
    }
  }
}
