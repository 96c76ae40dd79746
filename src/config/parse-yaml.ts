import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import { findJsonError, positionAt } from "../core/json-syntax.ts";
import { LineIndex } from "./line-index.ts";
import { type DuplicateKey, type ParsedText, ParseError } from "./parsed-text.ts";
import type { ValuePath } from "./problem.ts";

/** Parses one document of YAML 1.2, with merge keys (`<<`). Throws `ParseError`. */
export function parseYaml(text: string): ParsedText {
  const { document, lines } = parse(text, "YAML");
  const keys = readKeys(document, lines);
  try {
    return { value: document.toJS(), ...keys };
  } catch {
    // `toJS` throws if an alias has no anchor, or if the aliases expand to too much data (memory exhaustion).
    throw new ParseError("not YAML: an alias that cannot be resolved");
  }
}

/**
 * Parses JSON. Throws `ParseError`.
 *
 * `JSON.parse` silently drops duplicate keys. To find them, the text is parsed a second time with the YAML parser, which also
 * accepts JSON.
 */
export function parseJson(text: string): ParsedText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notJson(text);
  }
  const { document, lines } = parse(text, "JSON");
  return { value, ...readKeys(document, lines) };
}

function notJson(text: string): ParseError {
  const error = findJsonError(text);
  if (error === undefined) return new ParseError("not JSON");
  return new ParseError(`not JSON: ${error.advice}`, positionAt(text, error.offset));
}

function parse(text: string, format: "YAML" | "JSON"): { document: Document; lines: LineCounter } {
  const lines = new LineCounter();
  // `uniqueKeys` is the library's own check for duplicate keys. It misses keys that are aliases, so `DocumentKeys` replaces it.
  const options = { uniqueKeys: false, merge: format === "YAML", prettyErrors: false, lineCounter: lines };
  const document = parseDocument(text, options);
  const [problem] = [...document.errors, ...document.warnings];
  if (problem === undefined) return { document, lines };
  const { line, col: column } = lines.linePos(problem.pos[0]);
  const advice = format === "YAML" ? yamlAdvice(problem, text) : "";
  throw new ParseError(`not ${format}: ${problem.code.toLowerCase().replaceAll("_", " ")}${advice}`, { line, column });
}

/** Matches a text with a line such as `[backend]` or `[[routes]]`, and with `=` in a later line. */
const LOOKS_LIKE_TOML = /^\[{1,2}[A-Za-z_.]+\]{1,2}\s*$[\s\S]*^[A-Za-z_."]+\s*=/m;

/** Matches messages of the YAML library about [ … ] or { … } without a closing bracket, or with too little indentation. */
const IN_BRACKETS = /^Flow (map|sequence)/;

function yamlAdvice({ code, message }: Pick<YAMLError, "code" | "message">, text: string): string {
  if (LOOKS_LIKE_TOML.test(text)) return "; it looks like TOML: give the file a name that ends in .toml";
  if (code === "TAB_AS_INDENT") return "; indent with spaces";
  if (code === "BAD_INDENT" && IN_BRACKETS.test(message))
    return "; a [ or { before it is not closed, or its content is not indented";
  if (code === "BAD_INDENT") return "; indent names of one table equally, and more than the table's name";
  if (code === "UNEXPECTED_TOKEN" || code === "BLOCK_AS_IMPLICIT_KEY") return '; write texts with [ ] { } : or # in "…"';
  return code === "MISSING_CHAR" ? "; a bracket or quotation mark is missing" : "";
}

/** Maximum nesting depth of a document. It bounds the recursion of the check for duplicate keys. */
const DEPTH_MAX = 32;
const MERGE_KEY = "<<";
/** Maximum number of merge keys (`<<`) that are expanded in one document. Nested merge keys can expand exponentially. */
const MERGES_MAX = 1000;

function readKeys(document: Document, lines: LineCounter): Pick<ParsedText, "duplicates" | "lines"> {
  const keys = new DocumentKeys(document, lines);
  keys.read();
  return { duplicates: keys.duplicates, lines: keys.index };
}

/**
 * Finds the lines of keys, and the keys that occur twice in one map. A key may be plain, quoted, an alias, or added by a merge
 * key (`<<`).
 */
class DocumentKeys {
  readonly duplicates: DuplicateKey[] = [];
  readonly index = new LineIndex();
  readonly #document: Document;
  readonly #lines: LineCounter;
  #merges = 0;

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  read(): void {
    this.#walk(this.#document.contents, []);
  }

  #walk(node: unknown, path: ValuePath): void {
    if (path.length > DEPTH_MAX) throw new ParseError(`nested more than ${DEPTH_MAX} levels deep`);
    if (isSeq(node)) for (const [index, item] of node.items.entries()) this.#walkItem(item, [...path, index]);
    if (!isMap(node)) return;
    const names = new Set<string>();
    for (const pair of node.items) {
      const name = this.#nameOf(pair);
      const line = this.#positionOf(pair).line;
      for (const each of name === MERGE_KEY ? this.#merged(pair.value) : [name]) {
        if (names.has(each)) this.duplicates.push({ path: [...path, each], line });
        names.add(each);
        this.index.add([...path, each], line);
      }
      this.#walk(pair.value, [...path, name]);
    }
  }

  #walkItem(item: unknown, path: ValuePath): void {
    const line = this.#positionOf({ key: item }).line;
    this.index.add(path, line);
    this.#walk(item, path);
  }

  /** Returns the names that the value of a merge key adds to the map. */
  #merged(value: unknown): string[] {
    if (++this.#merges > MERGES_MAX) throw new ParseError(`more than ${MERGES_MAX} merges`);
    const source = isAlias(value) ? value.resolve(this.#document) : value;
    if (isSeq(source)) return source.items.flatMap((item) => this.#merged(item));
    return isMap(source) ? this.#namesOf(source) : [];
  }

  #namesOf(map: YAMLMap): string[] {
    return map.items.flatMap((pair) => {
      const name = this.#nameOf(pair);
      return name === MERGE_KEY ? this.#merged(pair.value) : [name];
    });
  }

  #nameOf(pair: Pair): string {
    const key = isAlias(pair.key) ? pair.key.resolve(this.#document) : pair.key;
    if (!isScalar(key)) throw new ParseError("a key is not a text", this.#positionOf(pair));
    return typeof key.value === "symbol" ? MERGE_KEY : String(key.value ?? "");
  }

  /** Returns the position of a key or of a list item. */
  #positionOf({ key }: { readonly key: unknown }): { line: number; column: number } {
    const start = isScalar(key) || isAlias(key) || isMap(key) || isSeq(key) ? key.range?.[0] : undefined;
    const { line, col: column } = this.#lines.linePos(start ?? 0);
    return { line, column };
  }
}
