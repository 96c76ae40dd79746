import { isObject } from "../../config/decoder.ts";
import { CHECKED_KEYWORDS } from "../../schema/vocabularies.ts";
import type { Node, OpenApiDocument } from "../document.ts";
import { NotExpressible } from "../document.ts";
import { convertDialect } from "./dialect.ts";
import { IN_PLACE, KEYWORDS, type SchemaObject } from "./keywords.ts";
import { Losses } from "./losses.ts";
import { patternProblem } from "./pattern-problem.ts";

/** Thrown if no gateway can use a schema, for example because it is too large. The message is the reason, as a phrase. */
export class SchemaUnusable extends Error {
  override readonly name = "SchemaUnusable";
}

/** Maximum number of schemas in the file of one route. */
const SCHEMAS_MAX = 20_000;
/** Maximum nesting depth of a schema. The target of a reference starts at depth 0. The gateway accepts 256 levels. */
const DEPTH_MAX = 60;
/** Maximum number of names in the object of a keyword such as `properties`. The compiler of the gateway refuses more. */
const NAMES_MAX = 1000;
/** A value of `patternProperties`: the empty pattern matches every name, and `true` accepts every value. */
const ANY_NAME = { "": true };

interface Place {
  /** Where the copied schema is in the generated file: `#` and a JSON Pointer. */
  readonly pointer: string;
  readonly depth: number;
  /** If true, the schema applies to a payload that has both the fields of the body and the `furtherFields`. */
  readonly isWide: boolean;
}

/**
 * Copies schemas of a document to one file of JSON Schema 2020-12. The targets of references become `$defs`. Leaves out the parts
 * that a gateway would refuse, and adds them to `losses`.
 */
export class SchemaBundle {
  readonly losses = new Losses();
  readonly #document: OpenApiDocument;
  readonly #furtherFields: ReadonlySet<string>;
  readonly #defs = new Map<string, SchemaObject | boolean>();
  readonly #names = new Map<string, string>();
  readonly #pending: (() => void)[] = [];
  #schemas = 0;

  /** `furtherFields`: the fields of the payload that are not part of the body, such as variables of the path. */
  constructor(document: OpenApiDocument, furtherFields: Iterable<string> = []) {
    this.#document = document;
    this.#furtherFields = new Set(furtherFields);
  }

  /** Number of copied schemas, including the schemas inside other schemas. */
  get size(): number {
    return this.#schemas;
  }

  /** The copied targets of all references. The key is the name in `$defs`. */
  get defs(): ReadonlyMap<string, SchemaObject | boolean> {
    return this.#defs;
  }

  /**
   * Copies a schema, and all schemas to which it refers. `pointer` is the place of the copy in the file. If `isWide`, the schema
   * applies to a payload that also has the `furtherFields`. Throws `SchemaUnusable` if there are more than `SCHEMAS_MAX` schemas.
   */
  add(schema: unknown, pointer: string, isWide = false): SchemaObject | boolean {
    const copy = this.#copy(schema, { pointer, depth: 0, isWide });
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) next();
    return copy;
  }

  #copy(raw: unknown, place: Place): SchemaObject | boolean {
    if (++this.#schemas > SCHEMAS_MAX) throw new SchemaUnusable(`it has more than ${SCHEMAS_MAX} schemas`);
    if (typeof raw === "boolean") return raw;
    const copy: SchemaObject = {};
    if (!isObject(raw)) this.losses.add(copy, place.pointer, "it is no schema");
    else if (place.depth > DEPTH_MAX) this.losses.add(copy, place.pointer, `it is nested more than ${DEPTH_MAX} levels deep`);
    else this.#fill(copy, convertDialect(this.#document, raw), place);
    return copy;
  }

  #fill(copy: SchemaObject, node: Node, place: Place): void {
    for (const [keyword, value] of Object.entries(node)) {
      const pointer = `${place.pointer}/${keyword}`;
      const problem = this.#problemOf(keyword, value) ?? (place.isWide ? wideProblem(keyword, value) : undefined);
      if (problem !== undefined) this.#leaveOut(copy, keyword, pointer, problem);
      else if (keyword === "$ref") this.#refer(copy, value, pointer, place);
      else if (KEYWORDS.has(keyword)) copy[keyword] = this.#valueOf(copy, keyword, value, { ...place, pointer });
    }
    if (copy["patternProperties"] === ANY_NAME) copy["patternProperties"] = { ...ANY_NAME };
    if (place.isWide) widen(copy, this.#furtherFields);
  }

  /** Returns why a keyword cannot be in the file, or `undefined` if it can. */
  #problemOf(keyword: string, value: unknown): string | undefined {
    if (keyword === "$dynamicRef" || keyword === "$recursiveRef") return "the importer does not follow it";
    const kind = KEYWORDS.get(keyword);
    if (kind === undefined) return undefined;
    if (typeof kind === "function") {
      if (!kind(value)) return "its value is not valid in JSON Schema 2020-12";
      return keyword === "pattern" ? patternProblem(String(value)) : undefined;
    }
    if (kind === "schemas") return Array.isArray(value) && value.length > 0 ? undefined : "it is no list of schemas";
    if (kind === "schema" || !isObject(value)) return kind === "schema" ? undefined : "it is no object of schemas";
    return Object.keys(value).length > NAMES_MAX ? `it has more than ${NAMES_MAX} names` : undefined;
  }

  /** Leaves out a keyword, and makes sure that `additionalProperties` and `items` do not refuse more values as a result. */
  #leaveOut(copy: SchemaObject, keyword: string, pointer: string, reason: string): void {
    if (CHECKED_KEYWORDS.has(keyword) || keyword === "$recursiveRef") this.losses.add(copy, pointer, reason);
    else this.losses.addAnnotation(pointer, reason);
    if (keyword === "properties" || keyword === "patternProperties") copy["patternProperties"] = ANY_NAME;
    if (keyword === "prefixItems") copy["items"] = true;
  }

  #refer(copy: SchemaObject, reference: unknown, pointer: string, { isWide }: Place): void {
    try {
      if (typeof reference !== "string") throw new NotExpressible("a $ref is not a text");
      const target = this.#document.find(reference);
      copy["$ref"] = `#/$defs/${this.#nameOf(reference, target, isWide)}`;
    } catch (error) {
      if (!(error instanceof NotExpressible)) throw error;
      this.losses.add(copy, pointer, error.message);
    }
  }

  /** Returns the name in `$defs` for the target of a reference. If the target is new, `#pending` gets a function that copies it. */
  #nameOf(reference: string, target: unknown, isWide: boolean): string {
    const key = `${isWide} ${reference}`;
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const last = (reference.split("/").at(-1) ?? "").replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 80);
    const base = `${last === "" ? "schema" : last}${isWide ? "_with_fields" : ""}`;
    let name = base;
    for (let count = 2; this.#defs.has(name); count++) name = `${base}_${count}`;
    this.#names.set(key, name);
    this.#defs.set(name, true);
    this.#pending.push(() => this.#defs.set(name, this.#copy(target, { pointer: `#/$defs/${name}`, depth: 0, isWide })));
    return name;
  }

  #valueOf(copy: SchemaObject, keyword: string, value: unknown, { pointer, depth, isWide }: Place): unknown {
    const inner = (suffix: string) => ({
      pointer: pointer + suffix,
      depth: depth + 1,
      isWide: isWide && IN_PLACE.has(keyword),
    });
    const kind = KEYWORDS.get(keyword);
    if (kind === "schema") return copy[keyword] ?? this.#copy(value, inner(""));
    if (kind === "schemas" && Array.isArray(value)) return value.map((each, index) => this.#copy(each, inner(`/${index}`)));
    if (kind !== "named schemas" || !isObject(value)) return value;
    if (keyword === "patternProperties") return this.#patterns(copy, value, inner);
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, this.#copy(each, inner(`/${escaped(name)}`))]),
    );
  }

  #patterns(copy: SchemaObject, patterns: Node, inner: (suffix: string) => Place): unknown {
    const problems = Object.keys(patterns).flatMap((pattern) => {
      const problem = patternProblem(pattern);
      return problem === undefined ? [] : [{ pattern, problem }];
    });
    for (const { pattern, problem } of problems) this.losses.add(copy, inner(`/${escaped(pattern)}`).pointer, problem);
    const kept = Object.entries(patterns).filter(([pattern]) => problems.every((each) => each.pattern !== pattern));
    const copies = kept.map(([pattern, each]) => [pattern, this.#copy(each, inner(`/${escaped(pattern)}`))] as const);
    // A left-out pattern could match any name. So no name may count as additional for `additionalProperties`.
    return { ...Object.fromEntries(copies), ...(problems.length > 0 && ANY_NAME), ...Object(copy["patternProperties"]) };
  }
}

/** Returns why a keyword must be left out: an object in `const` or `enum` cannot equal a payload that has the further fields. */
function wideProblem(keyword: string, value: unknown): string | undefined {
  const values = keyword === "const" ? [value] : keyword === "enum" && Array.isArray(value) ? value : [];
  return values.some(isObject) ? "its objects do not have the fields of the path" : undefined;
}

/** Changes the schema of a body. The changed schema accepts a payload that has all `fields` beside the fields of the body. */
function widen(copy: SchemaObject, fields: ReadonlySet<string>): void {
  const names = [...fields];
  const { properties, propertyNames, minProperties, maxProperties } = copy;
  const isClosed = ["additionalProperties", "unevaluatedProperties"].some((keyword) => keyword in copy);
  if (isClosed) copy["properties"] = { ...Object.fromEntries(names.map((name) => [name, true])), ...Object(properties) };
  if (propertyNames !== undefined) copy["propertyNames"] = { anyOf: [{ enum: names }, propertyNames] };
  if (typeof minProperties === "number") copy["minProperties"] = minProperties + names.length;
  if (typeof maxProperties === "number") copy["maxProperties"] = maxProperties + names.length;
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
