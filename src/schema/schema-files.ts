import { messageOf } from "../core/cause.ts";
import type { FlatSchema } from "../core/flat-schema.ts";
import { isJsonObject, parseJson } from "../core/json-body.ts";
import { findJsonError, positionAt } from "../core/json-syntax.ts";
import { flatten } from "./flat-schema.ts";
import { METASCHEMAS } from "./metaschemas.ts";
import { PayloadSchema } from "./payload-schema.ts";
import { SchemaProblem } from "./schema-problem.ts";

/**
 * The URI of the schema folder if none is configured. The domain `.invalid` is reserved (RFC 2606), so no other document has this
 * URI.
 */
const DEFAULT_BASE = "https://schemas.invalid/";
/** Maximum size of one file, in characters. */
const FILE_CHARS_MAX = 4 * 1024 * 1024;

export interface SchemaFilesOptions {
  /** The URI of the schema folder. A reference whose URI starts with this URI names a file in the folder. */
  readonly baseUri: string | undefined;
  /**
   * Returns the text of a file. `path` is relative to the schema folder. If the file cannot be read, throws an error whose message
   * is for operators.
   */
  readonly readFile: (path: string) => string;
}

/** The text of each file that a schema was read from, by path. */
type Texts = ReadonlyMap<string, string>;

/** The schemas that are in use, by URI. A reload reads the files again, and flattens only the schemas whose files have changed. */
const READ = new Map<string, WeakRef<FlatSchema>>();
const TEXTS = new WeakMap<FlatSchema, Texts>();
const COLLECTED = new FinalizationRegistry((uri: string) => {
  if (READ.get(uri)?.deref() === undefined) READ.delete(uri);
});

/**
 * The schema files of one folder. A reference can name only a file in the folder or a standard metaschema. Nothing is loaded over a
 * network.
 */
export class SchemaFiles {
  readonly #base: string;
  readonly #readFile: (path: string) => string;
  readonly #texts = new Map<string, string>();
  readonly #documents = new Map<string, unknown>();
  readonly #schemas = new Map<string, FlatSchema>();

  constructor({ baseUri, readFile }: SchemaFilesOptions) {
    this.#base = baseUri ?? DEFAULT_BASE;
    this.#readFile = readFile;
  }

  /**
   * Reads a schema and all documents that the schema refers to. Throws `SchemaProblem` if a document is invalid, or if the schema
   * does not compile.
   */
  read(path: string): FlatSchema {
    const known = this.#schemas.get(path);
    if (known !== undefined) return known;
    try {
      const uri = new URL(encodePath(path), this.#base).href;
      const schema = this.#unchanged(uri) ?? this.#compiled(uri);
      this.#schemas.set(path, schema);
      return schema;
    } catch (cause) {
      if (!(cause instanceof SchemaProblem)) throw cause;
      throw new SchemaProblem(this.#fileOf(cause.wrongText) + cause.message.replaceAll(DEFAULT_BASE, ""));
    }
  }

  /** Returns the schema that was read before, if none of its files has changed. */
  #unchanged(uri: string): FlatSchema | undefined {
    const schema = READ.get(uri)?.deref();
    const texts = schema && TEXTS.get(schema);
    if (texts === undefined) return undefined;
    try {
      return [...texts].every(([path, text]) => this.#textOf(path) === text) ? schema : undefined;
    } catch {
      // A file can no longer be read. The caller reads the files again, and reports the first that cannot be read.
      return undefined;
    }
  }

  /** Flattens and compiles a schema. Remembers the schema only if it compiles: the next reading must report the error again. */
  #compiled(uri: string): FlatSchema {
    const texts = new Map<string, string>();
    const schema = flatten(uri, (each) => this.#load(each, texts));
    PayloadSchema.of(schema);
    READ.set(uri, new WeakRef(schema));
    TEXTS.set(schema, texts);
    COLLECTED.register(schema, uri);
    return schema;
  }

  /** Returns a prefix for a message: the path of the first file that contains `text`. If no file does, returns an empty text. */
  #fileOf(text: string | undefined): string {
    if (text === undefined) return "";
    const source = JSON.stringify(text);
    const [path] = [...this.#documents].find(([, value]) => JSON.stringify(value).includes(source)) ?? [];
    return path === undefined ? "" : `${path}: `;
  }

  /** Adds the text of the document to `texts`. */
  #load(uri: string, texts: Map<string, string>): unknown {
    const metaschema = METASCHEMAS.get(uri);
    if (metaschema !== undefined) return metaschema;
    const path = uri.startsWith(this.#base) ? decodePath(uri.slice(this.#base.length)) : undefined;
    if (path === undefined)
      throw new SchemaProblem(`${uri} is not a file below the folder of the schemas, expected such a file`);
    const text = this.#textOf(path);
    texts.set(path, text);
    if (!this.#documents.has(path)) this.#documents.set(path, parse(path, text));
    return this.#documents.get(path);
  }

  #textOf(path: string): string {
    const known = this.#texts.get(path);
    if (known !== undefined) return known;
    try {
      const text = this.#readFile(path);
      this.#texts.set(path, text);
      return text;
    } catch (cause) {
      throw new SchemaProblem(messageOf(cause));
    }
  }
}

function parse(path: string, text: string): unknown {
  if (text.length > FILE_CHARS_MAX) throw new SchemaProblem(`${path}: more than ${FILE_CHARS_MAX} characters`);
  const value = parseJson(text);
  if (value === undefined) throw notJson(path, text);
  requireValid(path, text, value);
  return value;
}

function notJson(path: string, text: string): SchemaProblem {
  const error = findJsonError(text);
  if (error === undefined) return new SchemaProblem(`${path}: not JSON`);
  const { line, column } = positionAt(text, error.offset);
  return new SchemaProblem(`${path}: line ${line}, column ${column}: not JSON: ${error.advice}`);
}

const METASCHEMA = "https://json-schema.org/draft/2020-12/schema";

/**
 * Throws `SchemaProblem` if a document violates the metaschema of JSON Schema 2020-12. The message contains the JSON Pointer of the
 * violation. A document with another `$schema` is not checked.
 */
function requireValid(path: string, text: string, value: unknown): void {
  const dialect = isJsonObject(value) ? (value["$schema"] ?? METASCHEMA) : METASCHEMA;
  if (dialect !== METASCHEMA) return;
  const violation = metaschema().violationOf(text, Number.POSITIVE_INFINITY);
  if (violation === undefined) return;
  const place = violation.pointer || "the document";
  const isType = violation.keyword === "anyOf" && place.endsWith("/type");
  const rule = isType ? WRONG_TYPE : `violates "${violation.keyword}" of the metaschema`;
  throw new SchemaProblem(`${path}: not a schema: ${place} ${rule}`);
}

/** Message for a wrong `type`. Without it, the message would name `anyOf`, because the metaschema defines `type` by an `anyOf`. */
const WRONG_TYPE = "is no type, expected null, boolean, integer, number, string, array or object, or a list of them";

let compiled: PayloadSchema | undefined;

function metaschema(): PayloadSchema {
  compiled ??= PayloadSchema.of(flatten(METASCHEMA, (uri) => METASCHEMAS.get(uri)));
  return compiled;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/**
 * Converts a percent-encoded path to the path of a file. Returns `undefined` if the path could leave the folder or is malformed.
 */
function decodePath(encoded: string): string | undefined {
  try {
    const segments = encoded.split("/").map(decodeURIComponent);
    return segments.every((each) => each !== "" && each !== "." && each !== ".." && !/[/\\\p{Cc}]/u.test(each))
      ? segments.join("/")
      : undefined;
  } catch {
    return undefined;
  }
}
