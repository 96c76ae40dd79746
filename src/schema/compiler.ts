import Ajv2020, { type FuncKeywordDefinition, type ValidateFunction } from "ajv/dist/2020.js";
import type { FlatSchema } from "../core/flat-schema.ts";
import { isJsonObject } from "../core/json-body.ts";
import { forCompiler, type SchemaWork, STEPS_KEYWORD } from "./compiler-input.ts";
import { isMultipleOf } from "./decimal-multiple.ts";
import { areDistinct } from "./distinct-items.ts";
import { Evaluation, inside, type PlacedSchema, type SchemaValidity } from "./evaluated.ts";
import { type LinearPattern, linearPattern } from "./linear-pattern.ts";
import { isOneOf } from "./listed-values.ts";
import { SchemaProblem } from "./schema-problem.ts";
import type { Steps } from "./steps.ts";

const DOCUMENT = "payload";
/** This number of characters in a string of the payload counts as one step. A step is about 10 ns of work (`Steps`). */
const CHARACTERS_PER_STEP = 64;

/**
 * Compiles one flat schema with ajv. Replaces parts of ajv, so that the validation of a payload takes bounded time and `multipleOf`
 * is exact:
 *
 * - Each schema object gets a keyword that counts the steps of its validation.
 * - Patterns match in linear time.
 * - `uniqueItems` sorts the items.
 * - `enum` searches a hash table.
 * - `multipleOf` divides decimals, not doubles.
 */
export class Compiler implements SchemaValidity {
  readonly #ajv: Ajv2020;
  readonly #steps: Steps;
  readonly #document: { readonly $ref: string; readonly $defs: Readonly<Record<string, unknown>> };
  readonly #patterns = new Map<string, LinearPattern>();
  readonly #pointers = new Map<unknown, string>();
  readonly #evaluation: Evaluation;

  constructor({ $ref, $defs }: FlatSchema, steps: Steps) {
    this.#steps = steps;
    this.#evaluation = new Evaluation(this, steps);
    this.#document = {
      $ref,
      $defs: Object.fromEntries(Object.entries($defs).map(([name, each]) => [name, forCompiler(each)])),
    };
    const pattern = (text: string) => this.#pattern(text);
    this.#ajv = new Ajv2020({
      ...{ strict: false, validateFormats: false, ownProperties: true, messages: false, logger: false, inlineRefs: false },
      // `SchemaFiles` has already validated the schema. To do it again, each ajv instance would compile the metaschema in 50 ms.
      ...{ meta: false, validateSchema: false },
      code: { optimize: false, regExp: Object.assign(pattern, { code: "linearPattern" }) },
    });
    this.#replace({ keyword: "enum", compile: (values: unknown[]) => isOneOf(values, steps) });
    this.#replace({ keyword: "const", compile: (value: unknown) => isOneOf([value], steps) });
    this.#replace({ keyword: "multipleOf", type: "number", compile: (divisor: number) => isMultipleOf(divisor, steps) });
    this.#replace({
      keyword: "uniqueItems",
      type: "array",
      validate: (isOn: boolean, items: unknown[]) => !isOn || areDistinct(items, steps),
    });
    this.#replace({
      keyword: "unevaluatedItems",
      type: "array",
      errors: true,
      validate: this.#unevaluated("unevaluatedItems"),
    });
    this.#replace({
      keyword: "unevaluatedProperties",
      type: "object",
      errors: true,
      validate: this.#unevaluated("unevaluatedProperties"),
    });
    this.#addSteps();
  }

  compile(): ValidateFunction {
    this.#place({ node: this.#document, pointer: "" });
    this.#ajv.addSchema(this.#document, DOCUMENT);
    return this.#compiled("");
  }

  isValid({ node, pointer }: PlacedSchema, value: unknown): boolean {
    return typeof node === "boolean" ? node : this.#compiled(pointer)(value);
  }

  referred(ref: string): PlacedSchema {
    return inside(inside({ node: this.#document, pointer: "" }, "$defs"), ref.slice("#/$defs/".length));
  }

  matches(pattern: string, text: string): boolean {
    return this.#pattern(pattern).test(text);
  }

  #replace(definition: FuncKeywordDefinition): void {
    this.#ajv.removeKeyword(String(definition.keyword));
    this.#ajv.addKeyword(definition);
  }

  /** Puts the keyword that counts steps before all other keywords, because ajv runs no further keywords after one fails. */
  #addSteps(): void {
    const validate = (work: SchemaWork, value: unknown) => this.#count(work, value);
    this.#ajv.addKeyword({ keyword: STEPS_KEYWORD, errors: false, validate });
    const { rules } = this.#ajv.RULES;
    const all = rules.flatMap((group) => group.rules);
    for (const group of rules) group.rules = group.rules.filter(({ keyword }) => keyword !== STEPS_KEYWORD);
    rules.unshift({ rules: all.filter(({ keyword }) => keyword === STEPS_KEYWORD) });
  }

  #pattern(text: string): LinearPattern {
    const pattern = this.#patterns.get(text) ?? linearPattern(text, this.#steps);
    this.#patterns.set(text, pattern);
    return pattern;
  }

  #count(work: SchemaWork, value: unknown): boolean {
    this.#steps.take(work.value);
    if (typeof value === "string") this.#steps.take(Math.floor(value.length / CHARACTERS_PER_STEP));
    else if (Array.isArray(value)) this.#steps.take(work.perItem * value.length);
    else if (isJsonObject(value)) this.#steps.take(work.object + (work.perName && work.perName * Object.keys(value).length));
    return true;
  }

  /** Stores the JSON Pointer of each schema, because ajv passes only the schema itself to the function of a keyword. */
  #place({ node, pointer }: PlacedSchema): void {
    if (typeof node !== "object" || node === null) return;
    if (isJsonObject(node)) this.#pointers.set(node, pointer);
    for (const name of Object.keys(node)) this.#place(inside({ node, pointer }, name));
  }

  #compiled(pointer: string): ValidateFunction {
    const found = this.#ajv.getSchema(pointer === "" ? DOCUMENT : `${DOCUMENT}#${pointer}`);
    if (found === undefined) throw new SchemaProblem(`no schema at ${pointer}`);
    return found;
  }

  /** Returns the function that ajv calls to check the keyword `unevaluatedItems` or `unevaluatedProperties`. */
  #unevaluated(keyword: string) {
    const validate: FuncKeywordDefinition["validate"] & { errors?: unknown } = (
      _: unknown,
      value: unknown,
      parent?: unknown,
    ) => {
      const schema = { node: parent, pointer: this.#pointers.get(parent) ?? "" };
      const evaluated = this.#evaluation.of(schema, value);
      if (evaluated === "all") return true;
      const inner = inside(schema, keyword);
      const places = Array.isArray(value) ? [...value.keys()] : Object.keys(Object(value));
      this.#steps.take(places.length);
      const wrong = places.find((place) => !evaluated.has(place) && !this.isValid(inner, Reflect.get(Object(value), place)));
      if (wrong === undefined) return true;
      validate.errors = [{ keyword, params: { unevaluatedProperty: String(wrong) } }];
      return false;
    };
    return validate;
  }
}
