import type { FlatSchema } from "../core/flat-schema.ts";
import { isJsonObject } from "../core/json-body.ts";
import { SchemaProblem } from "./schema-problem.ts";
import { type LoadDocument, requireSchema, type SchemaNode, type SchemaResource, SchemaResources } from "./schema-resources.ts";
import { activeKeywords } from "./vocabularies.ts";

/** For each `$dynamicAnchor` name: its outermost schema in the dynamic scope (JSON Schema 2020-12, 8.2.3.2). */
type Scope = ReadonlyMap<string, SchemaNode>;

/** Maximum number of schemas in the flat document. A `$dynamicRef` can need one copy of a schema for each dynamic scope. */
const NODES_MAX = 100_000;

/**
 * Copies a schema and all schemas that it refers to into one document, so that the compiled schema needs no files.
 *
 * A schema gets one copy for each dynamic scope in which it is used. So the compiler need not support `$dynamicRef`, `$id` and
 * `$anchor`.
 */
export function flatten(uri: string, load: LoadDocument): FlatSchema {
  return new Flattener(new SchemaResources(load)).run(uri);
}

class Flattener {
  readonly #resources: SchemaResources;
  readonly #names = new Map<string, string>();
  readonly #ids = new Map<SchemaNode, number>();
  readonly #defs: Record<string, unknown> = {};
  readonly #pending: (() => void)[] = [];
  #nodes = 0;

  constructor(resources: SchemaResources) {
    this.#resources = resources;
  }

  run(uri: string): FlatSchema {
    const resource = this.#resources.at(uri);
    const $ref = this.#reference(resource.root, resource, new Map());
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) next();
    return { $ref, $defs: this.#defs };
  }

  /** Returns a `$ref` to the copy of a schema for one dynamic scope. If there is no copy yet, the method `run` makes it later. */
  #reference(node: SchemaNode, resource: SchemaResource, outer: Scope): string {
    const scope = entered(resource, outer);
    const key = [node, ...scope.values()].map((each) => this.#idOf(each)).join(" ") + [...scope.keys()].join(" ");
    const known = this.#names.get(key);
    if (known !== undefined) return `#/$defs/${known}`;
    const name = `s${this.#names.size}`;
    this.#names.set(key, name);
    this.#pending.push(() => {
      this.#defs[name] = this.#copy(node, resource, scope);
    });
    return `#/$defs/${name}`;
  }

  #idOf(node: SchemaNode): number {
    const id = this.#ids.get(node) ?? this.#ids.size;
    this.#ids.set(node, id);
    return id;
  }

  #copy(node: SchemaNode, outer: SchemaResource, outerScope: Scope): unknown {
    if (++this.#nodes > NODES_MAX) throw new SchemaProblem(`more than ${NODES_MAX} schemas`);
    if (typeof node === "boolean") return node;
    const resource = this.#resources.of(node, outer);
    const scope = resource === outer ? outerScope : entered(resource, outerScope);
    const keywords = activeKeywords(resource, this.#resources);
    const copied = (each: unknown) => this.#copy(requireSchema(each, resource.uri), resource, scope);
    const entries = Object.entries(node).flatMap(([keyword, value]): [string, unknown][] => {
      const kind = keywords.get(keyword);
      if (kind === undefined) return [];
      if (kind === "reference") return [["$ref", this.#target(keyword, value, resource, scope)]];
      if (kind === "schema") return [[keyword, copied(value)]];
      if (kind === "schemas") return [[keyword, requireList(value, keyword, resource).map(copied)]];
      return [[keyword, kind === "value" ? value : mapValues(requireObject(value, keyword, resource), copied)]];
    });
    return separateReferences(entries);
  }

  #target(keyword: string, value: unknown, resource: SchemaResource, scope: Scope): string {
    if (typeof value !== "string") throw new SchemaProblem(`${resource.uri}: ${keyword} is not a text`);
    const target = this.#resources.resolve(value, resource);
    const outermost = keyword === "$dynamicRef" && target.dynamicName !== undefined ? scope.get(target.dynamicName) : undefined;
    const node = outermost ?? target.node;
    return this.#reference(node, outermost === undefined ? target.resource : this.#resources.of(node, target.resource), scope);
  }
}

/** Returns the dynamic scope inside a resource: `outer` and the resource's `$dynamicAnchor` names that `outer` does not have. */
function entered(resource: SchemaResource, outer: Scope): Scope {
  const added = [...resource.dynamicAnchors].filter(([name]) => !outer.has(name));
  return added.length === 0 ? outer : new Map([...outer, ...added].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Returns a schema with the keywords of `entries`. Two entries can have the keyword `$ref`, because `$ref` has replaced
 * `$dynamicRef`. In this case, each `$ref` becomes a separate schema in `allOf`.
 */
function separateReferences(entries: [string, unknown][]): unknown {
  const references = entries.filter(([keyword]) => keyword === "$ref");
  if (references.length < 2) return Object.fromEntries(entries);
  const { allOf, ...rest } = Object.fromEntries(entries.filter(([keyword]) => keyword !== "$ref"));
  return { ...rest, allOf: [...references.map(([, $ref]) => ({ $ref })), ...(Array.isArray(allOf) ? allOf : [])] };
}

function mapValues(values: Readonly<Record<string, unknown>>, change: (value: unknown) => unknown): unknown {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

function requireList(value: unknown, keyword: string, { uri }: SchemaResource): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new SchemaProblem(`${uri}: ${keyword} is not a list`);
}

function requireObject(value: unknown, keyword: string, { uri }: SchemaResource): Readonly<Record<string, unknown>> {
  if (isJsonObject(value)) return value;
  throw new SchemaProblem(`${uri}: ${keyword} is not an object`);
}
