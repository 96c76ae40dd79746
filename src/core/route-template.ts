import { isIdentifier, isPlainSegment, PATH_CHARS_MAX } from "./path-grammar.ts";

/**
 * Path templates of routes, in the grammar of google.api.http:
 *
 *     Template = "/" Segments [ Verb ]          Variable  = "{" FieldPath [ "=" Segments ] "}"
 *     Segments = Segment { "/" Segment }        FieldPath = IDENT { "." IDENT }
 *     Segment  = "*" | "**" | LITERAL | Variable    Verb  = ":" LITERAL
 *
 * The gateway builds paths from payloads. So each wildcard must be in a variable, which names the payload field with the value.
 * A template may also end in a slash, because many REST services have such paths.
 */

/** A part of a variable's pattern. `*`: any one segment. `**`: any number of segments. `text`: exactly this segment. */
export type PatternSegment = "*" | "**" | { readonly text: string };

/** The names of the nested fields that lead to one field of a payload. The first name is in the outermost object. */
export type FieldPath = readonly string[];

/** Plain text of one segment, or a variable for one or more segments. */
export type TemplatePart = { readonly text: string } | PathVariable;

export interface PathVariable {
  readonly field: FieldPath;
  readonly pattern: readonly PatternSegment[];
}

export interface RouteTemplate {
  /** The parts between the slashes. If the path ends in a slash, the last part is an empty text. */
  readonly parts: readonly TemplatePart[];
  /** The text after the colon at the end of the path. */
  readonly verb: string | undefined;
}

const QUERY =
  'the path contains "?", expected no query: fields of the payload that are in neither the path nor the body become the query';
const VERB = /^[A-Za-z0-9._~!$&'()+,;=@-]+$/;
const VARIABLE = /^\{([^={}]*)(?:=([^{}]*))?\}$/;

/** Parses the path of a route. Throws a `TypeError` whose message describes the problem. */
export function parseTemplate(path: string): RouteTemplate {
  if (!path.startsWith("/")) throw new TypeError('the path must start with "/"');
  if (path.includes("?")) throw new TypeError(QUERY);
  if (path.length > PATH_CHARS_MAX) throw new TypeError(`the path is longer than ${PATH_CHARS_MAX} characters`);
  const texts = splitOutsideBraces(path.slice(1));
  const verb = cutVerb(texts);
  const last = texts.length - 1;
  const parts = texts.map((text, at) => (text === "" && at > 0 && at === last ? { text } : parsePart(text, at)));
  if (verb !== undefined && texts.at(-1) === "")
    throw new TypeError("a verb cannot follow a slash; a variable is written {name}");
  checkVariables(parts);
  return { parts, verb };
}

/** The variables of a template, in order. */
export function variablesOf({ parts }: RouteTemplate): readonly PathVariable[] {
  return parts.flatMap((part) => ("field" in part ? [part] : []));
}

/** Returns the `body` of a route. If it has none: empty for GET and DELETE, otherwise `*`. */
export function effectiveBody({ method, body }: { readonly method: string; readonly body?: string | undefined }): string {
  return body ?? (method === "GET" || method === "DELETE" ? "" : "*");
}

function splitOutsideBraces(path: string): string[] {
  const texts: string[] = [];
  let start = 0;
  let isInside = false;
  for (let at = 0; at < path.length; at++) {
    const character = path[at];
    if (character === "{" && isInside) throw new TypeError("a variable contains another variable");
    if (character === "{") isInside = true;
    else if (character === "}") isInside = false;
    else if (character === "/" && !isInside) {
      texts.push(path.slice(start, at));
      start = at + 1;
    }
  }
  return [...texts, path.slice(start)];
}

/** Removes the verb from the last segment, and returns it. */
function cutVerb(texts: string[]): string | undefined {
  const last = texts.at(-1) ?? "";
  const colon = last.lastIndexOf(":");
  if (colon < 0 || last.indexOf("}", colon) >= 0) return undefined;
  const verb = last.slice(colon + 1);
  if (!VERB.test(verb)) throw new TypeError("the text after the last colon is not a verb");
  texts[texts.length - 1] = last.slice(0, colon);
  return verb;
}

function parsePart(text: string, index: number): TemplatePart {
  const place = `segment ${index + 1} of the path`;
  if (text === "*" || text === "**") {
    throw new TypeError(`${place} is "${text}" without a field of the payload, expected a variable such as {name=${text}}`);
  }
  const [, names, pattern = "*"] = VARIABLE.exec(text) ?? [];
  if (names === undefined) return { text: literal(text, place) };
  const field = names.split(".");
  if (!field.every((name) => isIdentifier(name)))
    throw new TypeError(`the variable in ${place} does not name a field of the payload`);
  const segments = pattern.split("/");
  return { field, pattern: segments.map((each) => (each === "*" || each === "**" ? each : { text: literal(each, place) })) };
}

function literal(text: string, place: string): string {
  if (text === "") throw new TypeError(`${place} is empty`);
  if (!isPlainSegment(text)) throw new TypeError(`${place} is neither plain text nor a {variable}`);
  return text;
}

function checkVariables(parts: readonly TemplatePart[]): void {
  const fields: string[] = [];
  for (const [at, part] of parts.entries()) {
    if (!("field" in part)) continue;
    const deep = part.pattern.indexOf("**");
    if (deep >= 0 && (deep < part.pattern.length - 1 || at < parts.length - 1)) {
      throw new TypeError('"**" must be the last segment of the path');
    }
    const name = part.field.join(".");
    if (fields.includes(name)) throw new TypeError(`{${name}} occurs twice`);
    const nested = fields.find((other) => name.startsWith(`${other}.`) || other.startsWith(`${name}.`));
    if (nested !== undefined) throw new TypeError(`{${nested}} and {${name}} name a field and a part of that field`);
    fields.push(name);
  }
}
