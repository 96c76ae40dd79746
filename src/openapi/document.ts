import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { isObject } from "../config/decoder.ts";

/** An object of an OpenAPI document. */
export type Node = Readonly<Record<string, unknown>>;

/** Thrown if a text is no OpenAPI document. The message can name a position in the text, but never quotes the text. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

/** Thrown if an operation cannot be converted to a route. The message is the reason, as a phrase. */
export class NotExpressible extends Error {
  override readonly name = "NotExpressible";
}

/** Maximum size of a document in bytes. The OpenAPI document of GitHub has 13 MB. */
export const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;
/** Maximum number of references (`$ref`) that are followed one after another. */
const HOPS_MAX = 32;
/** Maximum number of values to which the YAML aliases of one anchor expand. Nested aliases can expand exponentially. */
const ALIASES_MAX = 100_000;
const VERSION = /^3\.[012](\.\d{1,3})?$/;

/** An OpenAPI document of version 3.0, 3.1 or 3.2, in JSON or YAML. */
export class OpenApiDocument {
  readonly root: Node;
  readonly version: string;

  /** Throws `DocumentError` if the text is no OpenAPI document. */
  constructor(text: string) {
    const root = parse(text);
    if (!isObject(root)) throw new DocumentError("the document is not an object");
    if (root["swagger"] !== undefined) {
      throw new DocumentError(
        "the document is of Swagger 2.0; convert it to OpenAPI 3.0 first, for example with swagger2openapi",
      );
    }
    const version = root["openapi"];
    if (typeof version !== "string" || !VERSION.test(version)) {
      throw new DocumentError('the document is not of OpenAPI 3.0, 3.1 or 3.2: it has no field "openapi" with such a version');
    }
    this.root = root;
    this.version = version;
  }

  /**
   * Resolves the `$ref` of `value`. Returns the target, plus the fields beside the `$ref`. Without a `$ref`, returns `value`.
   * Throws `NotExpressible` if the target is not an object of this document, or if the reference leads to itself.
   */
  resolve(value: unknown): Node {
    let current = value;
    for (let hops = 0; hops <= HOPS_MAX; hops++) {
      if (!isObject(current)) throw new NotExpressible("it refers to something that is not an object");
      const { $ref: reference, ...beside } = current;
      if (typeof reference !== "string") return current;
      const target = this.find(reference);
      current = isObject(target) ? { ...target, ...beside } : target;
    }
    throw new NotExpressible("a $ref refers to itself");
  }

  /** Follows the `$ref` of a schema. Returns an empty schema if the value is no object, or if the `$ref` cannot be followed. */
  resolveSchema(value: unknown): Node {
    try {
      return isObject(value) ? this.resolve(value) : {};
    } catch (error) {
      if (error instanceof NotExpressible) return {};
      throw error;
    }
  }

  /** Finds the target of a JSON Pointer in a URI fragment (RFC 6901 6). Throws `NotExpressible` if there is none. */
  find(reference: string): unknown {
    if (!reference.startsWith("#")) {
      throw new NotExpressible(
        "it refers to another document; bundle the documents into one first, for example with redocly bundle",
      );
    }
    const names = decoded(reference.slice(1)).split("/").slice(1);
    let current: unknown = this.root;
    for (const name of names) current = memberOf(current, name.replaceAll("~1", "/").replaceAll("~0", "~"));
    if (current === undefined) throw new NotExpressible("a $ref refers to nothing");
    return current;
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return /^\d{1,9}$/.test(name) ? value[Number(name)] : undefined;
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parse(text: string): unknown {
  const json = text.replace(/^\uFEFF/, "");
  if (json.trimStart().startsWith("{")) {
    try {
      return JSON.parse(json);
    } catch {
      // The text is not JSON, but it can be YAML: a flow mapping of YAML also starts with a brace.
    }
  }
  try {
    return parseYaml(json);
  } catch (error) {
    if (error instanceof DocumentError) throw error;
    if (error instanceof ReferenceError) throw new DocumentError("its YAML aliases expand to too many values");
    throw new DocumentError("the document cannot be read: it may be nested too deeply");
  }
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter();
  // `uniqueKeys` compares each key with every other key, which takes minutes for a large document.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, merge: true, logLevel: "silent" });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw new DocumentError(
      `line ${line}, column ${col}: not JSON or YAML: ${problem.code.toLowerCase().replaceAll("_", " ")}`,
    );
  }
  requireDistinctPaths(document.get("paths"));
  return document.toJS({ maxAliasCount: ALIASES_MAX });
}

/** Throws `DocumentError` if a path occurs twice. The second occurrence would hide the operations of the first. */
function requireDistinctPaths(paths: unknown): void {
  if (!isMap(paths)) return;
  const names = paths.items.map(({ key }) => (isScalar(key) ? String(key.value) : ""));
  if (new Set(names).size < names.length) throw new DocumentError("a path occurs twice in paths; merge its operations");
}
