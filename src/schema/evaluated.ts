import { isJsonObject } from "../core/json-body.ts";
import type { Steps } from "./steps.ts";

/** A schema, and its JSON Pointer in the document that is compiled. */
export interface PlacedSchema {
  readonly node: unknown;
  readonly pointer: string;
}

export interface SchemaValidity {
  isValid(schema: PlacedSchema, value: unknown): boolean;
  /** Returns the schema that a `$ref` in the compiled document refers to. */
  referred(ref: string): PlacedSchema;
  matches(pattern: string, text: string): boolean;
}

/** The names of an object's properties, or the indexes of an array's items. `all`: every property or item. */
type Places = ReadonlySet<string | number> | "all";

/** Number of steps for each property of an object. It is above 1, because the property's name is added to two sets. */
const STEPS_PER_NAME = 3;
const NONE: Places = new Set();

/**
 * Finds the items and properties that a schema evaluates, for `unevaluatedItems` and `unevaluatedProperties` (JSON Schema 2020-12,
 * 11.2 and 11.3).
 *
 * ajv 8.20 has two errors here. It does not treat items that match `contains` as evaluated, and it ignores an `if` that has neither
 * `then` nor `else`.
 */
export class Evaluation {
  readonly #schemas: SchemaValidity;
  readonly #steps: Steps;

  constructor(schemas: SchemaValidity, steps: Steps) {
    this.#schemas = schemas;
    this.#steps = steps;
  }

  /**
   * Returns which properties or items of a value are evaluated by a schema. The schema must accept the value.
   *
   * `isNested` is false for the schema whose `unevaluatedItems` or `unevaluatedProperties` is checked. It is true for the inner
   * schemas of this schema.
   */
  of(schema: PlacedSchema, value: unknown, isNested = false): Places {
    const { node } = schema;
    this.#steps.take(1);
    if (!isJsonObject(node)) return NONE;
    const own = Array.isArray(value) ? this.#items(schema, node, value, isNested) : this.#properties(node, value, isNested);
    return union([own, ...this.#inPlace(schema, node, value)]);
  }

  #items(schema: PlacedSchema, node: Readonly<Record<string, unknown>>, items: readonly unknown[], isNested: boolean): Places {
    if ("items" in node || (isNested && "unevaluatedItems" in node)) return "all";
    const prefix = Array.isArray(node["prefixItems"]) ? node["prefixItems"].length : 0;
    const found = new Set(items.slice(0, prefix).keys());
    this.#steps.take(found.size);
    if (!("contains" in node)) return found;
    const contains = inside(schema, "contains");
    for (const [index, item] of items.entries()) if (this.#schemas.isValid(contains, item)) found.add(index);
    return found;
  }

  #properties(node: Readonly<Record<string, unknown>>, value: unknown, isNested: boolean): Places {
    if (!isJsonObject(value)) return NONE;
    if ("additionalProperties" in node || (isNested && "unevaluatedProperties" in node)) return "all";
    const { properties, patternProperties } = node;
    const patterns = isJsonObject(patternProperties) ? Object.keys(patternProperties) : [];
    const names = isJsonObject(properties) ? properties : {};
    const isEvaluated = (name: string) =>
      Object.hasOwn(names, name) || patterns.some((each) => this.#schemas.matches(each, name));
    const all = Object.keys(value);
    this.#steps.take(STEPS_PER_NAME * all.length);
    return new Set(all.filter(isEvaluated));
  }

  /** Returns the properties or items that are evaluated by inner schemas for the same value, such as those of `allOf`. */
  #inPlace(schema: PlacedSchema, node: Readonly<Record<string, unknown>>, value: unknown): Places[] {
    const applied: PlacedSchema[] = [];
    const applyIfValid = (each: PlacedSchema) => {
      if (this.#schemas.isValid(each, value)) applied.push(each);
    };
    if (typeof node["$ref"] === "string") applied.push(this.#schemas.referred(node["$ref"]));
    for (const each of listed(schema, "allOf")) applied.push(each);
    for (const keyword of ["anyOf", "oneOf"]) listed(schema, keyword).forEach(applyIfValid);
    if ("if" in node) {
      const condition = inside(schema, "if");
      const holds = this.#schemas.isValid(condition, value);
      if (holds) applied.push(condition);
      const branch = holds ? "then" : "else";
      if (branch in node) applied.push(inside(schema, branch));
    }
    const { dependentSchemas } = node;
    if (isJsonObject(value) && isJsonObject(dependentSchemas)) {
      const names = Object.keys(dependentSchemas).filter((name) => Object.hasOwn(value, name));
      for (const name of names) applied.push(inside(inside(schema, "dependentSchemas"), name));
    }
    return applied.map((each) => this.of(each, value, true));
  }
}

/** Returns the value at a name or an index inside a schema, and the JSON Pointer of this value. */
export function inside({ node, pointer }: PlacedSchema, name: string | number): PlacedSchema {
  const escaped = String(name).replaceAll("~", "~0").replaceAll("/", "~1");
  return { node: Reflect.get(Object(node), name), pointer: `${pointer}/${encodeURIComponent(escaped)}` };
}

function listed(schema: PlacedSchema, keyword: string): PlacedSchema[] {
  const list = inside(schema, keyword);
  return Array.isArray(list.node) ? list.node.map((_, at) => inside(list, at)) : [];
}

function union(places: readonly Places[]): Places {
  const all = new Set<string | number>();
  for (const each of places) {
    if (each === "all") return "all";
    for (const place of each) all.add(place);
  }
  return all;
}
