/** Maximum number of causes that a description shows. */
const DEPTH_MAX = 4;
/**
 * Maximum length of the text of one cause, in UTF-16 units. Longer texts are truncated, because messages of the system and of
 * backends can have any length.
 */
const MESSAGE_CHARS_MAX = 256;

/**
 * Describes a thrown value and its chain of causes in one line. Use the text only for the log, because it may contain internal
 * details.
 */
export function describeCause(cause: unknown): string {
  if (cause instanceof DescribedCause) return cause.text;
  const parts: string[] = [];
  for (
    let each = cause;
    each !== undefined && parts.length < DEPTH_MAX;
    each = each instanceof Error ? each.cause : undefined
  ) {
    parts.push(clipped(each instanceof Error ? `${each.name}: ${loggableMessage(each)}` : String(each)));
  }
  return parts.join(" < ");
}

/** A cause that another process of this gateway has described. */
export class DescribedCause {
  /** The result of `describeCause` in the other process. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Returns the message of a thrown value, even if the value is not an Error. The message of a JSON.parse error quotes the parsed
 * text. Only `describeCause` removes this quote.
 */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? withoutAdvice(thrown.message) : String(thrown);
}

/** Returns the `code` of a runtime error, such as ENOENT. Returns "" if it has none. */
export function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

/**
 * Error texts of Bun's `fetch` that advise a programmer, and their replacements. Some texts start with the error code, such as
 * ECONNREFUSED.
 */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED: Unable to connect\..*$/s, "ECONNREFUSED: connection refused"],
  [/Unable to connect\. Is the computer able to access the url\?$/, "cannot connect"],
  [/The socket connection was closed unexpectedly\..*$/s, "the server closed the connection"],
];

function withoutAdvice(message: string): string {
  return ADVICE.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), message);
}

function loggableMessage(error: Error): string {
  return error instanceof SyntaxError ? syntaxErrorKind(error.message) : messageOf(error);
}

/**
 * The kinds of errors that JSON.parse throws (JavaScriptCore, LiteralParser). Some messages quote the parsed text after the
 * kind, and this text may contain secrets.
 */
const SYNTAX_ERROR_KINDS = [
  "Unexpected identifier",
  "Unexpected EOF",
  "Unexpected token",
  "Unexpected comma",
  "Unterminated string",
  "Unrecognized token",
  "Invalid escape character",
  "Invalid character",
  "Invalid unicode code point",
  "Invalid digits",
  "Invalid number",
  "Property name must be a string literal",
  "Single quotes",
  "Expected",
];

/**
 * Returns the kind of a JSON.parse error: the entry of `SYNTAX_ERROR_KINDS` that the message contains. Returns "not parsed" if
 * the message contains none. The result contains no part of the parsed text.
 */
function syntaxErrorKind(message: string): string {
  return SYNTAX_ERROR_KINDS.find((kind) => message.includes(`: ${kind}`)) ?? "not parsed";
}

function clipped(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX).toWellFormed()}…`;
}
