import { isJsonObject } from "../core/json-body.ts";
import { SchemaProblem } from "./schema-problem.ts";

/** A schema: an object, `true` or `false`. */
export type SchemaNode = Readonly<Record<string, unknown>> | boolean;

/** A schema with a URI of its own (JSON Schema 2020-12, 8.2.1): a whole document, or a subschema that has `$id`. */
export interface SchemaResource {
  readonly uri: string;
  readonly root: SchemaNode;
  /** The schemas with `$anchor` or `$dynamicAnchor`, by name. */
  readonly anchors: Map<string, SchemaNode>;
  readonly dynamicAnchors: Map<string, SchemaNode>;
}

/** Returns the JSON value of the document with this URI. Throws `SchemaProblem` if there is none. */
export type LoadDocument = (uri: string) => unknown;

/** What a `$ref` or `$dynamicRef` resolves to. */
export interface SchemaTarget {
  readonly node: SchemaNode;
  readonly resource: SchemaResource;
  /** The part of the reference after `#`, if it names a `$dynamicAnchor`. */
  readonly dynamicName: string | undefined;
}

/** Keywords whose value is a schema. */
const ONE = [
  "additionalProperties",
  "contains",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
  "contentSchema",
];
/** Keywords whose value is a list of schemas. */
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
/** Keywords whose value is an object of schemas. */
const MAPS = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/** Returns the direct subschemas of a schema. They are not validated. */
export function childrenOf(node: SchemaNode): readonly unknown[] {
  if (typeof node === "boolean") return [];
  return Object.entries(node).flatMap(([keyword, value]) => {
    if (ONE.includes(keyword)) return [value];
    if (LISTS.includes(keyword) && Array.isArray(value)) return value;
    return MAPS.includes(keyword) && isJsonObject(value) ? Object.values(value) : [];
  });
}

/** Returns a JSON value as a schema. Throws `SchemaProblem` unless the value is an object, `true` or `false`. */
export function requireSchema(value: unknown, uri: string): SchemaNode {
  if (typeof value === "boolean" || isJsonObject(value)) return value;
  throw new SchemaProblem(`${uri}: a schema is neither an object nor true or false`);
}

/** Maximum nesting depth of one document. It bounds the recursion of `#walk`. */
const DEPTH_MAX = 256;
/** Maximum number of documents that the schema of one route consists of. */
const DOCUMENTS_MAX = 256;

/** All schemas that the schema of a route refers to, by their URIs. Documents are loaded when a reference needs them. */
export class SchemaResources {
  readonly #load: LoadDocument;
  readonly #byUri = new Map<string, SchemaResource>();
  readonly #ofNode = new Map<SchemaNode, SchemaResource>();
  #documents = 0;

  constructor(load: LoadDocument) {
    this.#load = load;
  }

  /** Returns the resource with this URI. The URI must have no fragment. */
  at(uri: string): SchemaResource {
    return this.#byUri.get(uri) ?? this.#loaded(uri);
  }

  /** Returns the resource that a schema belongs to. Returns `outer` if the resource of the schema is unknown. */
  of(node: SchemaNode, outer: SchemaResource): SchemaResource {
    return this.#ofNode.get(node) ?? outer;
  }

  resolve(reference: string, from: SchemaResource): SchemaTarget {
    const { uri, fragment } = splitUri(reference, from.uri);
    const resource = this.at(uri);
    if (fragment === "") return { node: resource.root, resource, dynamicName: undefined };
    if (fragment.startsWith("/")) return { ...this.#atPointer(fragment, resource, reference), dynamicName: undefined };
    const node = resource.anchors.get(fragment);
    if (node === undefined) throw new SchemaProblem(`$ref "${reference}" names an anchor that ${uri} does not have`);
    return { node, resource, dynamicName: resource.dynamicAnchors.has(fragment) ? fragment : undefined };
  }

  #loaded(uri: string): SchemaResource {
    if (++this.#documents > DOCUMENTS_MAX) throw new SchemaProblem(`more than ${DOCUMENTS_MAX} documents`);
    const root = requireSchema(this.#load(uri), uri);
    const resource = this.#add(uri, root);
    this.#walk(root, resource, 0);
    return resource;
  }

  #add(uri: string, root: SchemaNode): SchemaResource {
    const resource: SchemaResource = { uri, root, anchors: new Map(), dynamicAnchors: new Map() };
    this.#byUri.set(uri, resource);
    return resource;
  }

  #walk(node: SchemaNode, outer: SchemaResource, depth: number): void {
    if (typeof node === "boolean") return;
    if (depth > DEPTH_MAX) throw new SchemaProblem(`${outer.uri}: nested more than ${DEPTH_MAX} levels deep`);
    const resource = this.#begins(node, outer);
    this.#ofNode.set(node, resource);
    const { $anchor, $dynamicAnchor } = node;
    if (typeof $anchor === "string") resource.anchors.set($anchor, node);
    if (typeof $dynamicAnchor === "string") {
      resource.anchors.set($dynamicAnchor, node);
      resource.dynamicAnchors.set($dynamicAnchor, node);
    }
    for (const child of childrenOf(node)) this.#walk(requireSchema(child, resource.uri), resource, depth + 1);
  }

  /**
   * Returns a new resource if the schema has a `$id` of its own. Otherwise, returns `outer`. If the root of a document has `$id`,
   * the root has two URIs: the URI of the document, and the `$id`.
   */
  #begins(node: Readonly<Record<string, unknown>>, outer: SchemaResource): SchemaResource {
    const { $id } = node;
    if (typeof $id !== "string") return outer;
    const { uri } = splitUri($id, outer.uri);
    if (uri === outer.uri) return outer;
    if (node !== outer.root) return this.#add(uri, node);
    const renamed = { ...outer, uri };
    this.#byUri.set(outer.uri, renamed);
    this.#byUri.set(uri, renamed);
    return renamed;
  }

  #atPointer(fragment: string, start: SchemaResource, reference: string): { node: SchemaNode; resource: SchemaResource } {
    let value: unknown = start.root;
    let resource = start;
    for (const part of decodeFragment(fragment).slice(1).split("/")) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      const isInside = typeof value === "object" && value !== null && Object.hasOwn(value, name);
      value = isInside ? Reflect.get(Object(value), name) : undefined;
      if (isJsonObject(value)) resource = this.#ofNode.get(value) ?? resource;
    }
    if (value === undefined) throw new SchemaProblem(`$ref "${reference}" points to nothing`);
    const node = requireSchema(value, start.uri);
    if (typeof node !== "boolean" && !this.#ofNode.has(node)) this.#walk(node, resource, 0);
    return { node, resource: typeof node === "boolean" ? resource : (this.#ofNode.get(node) ?? resource) };
  }
}

function decodeFragment(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function splitUri(reference: string, base: string): { uri: string; fragment: string } {
  const url = URL.parse(reference, base);
  if (url === null) throw new SchemaProblem(`"${reference}" is no URI reference`);
  const fragment = url.hash.slice(1);
  url.hash = "";
  return { uri: url.href, fragment: decodeFragment(fragment) };
}
