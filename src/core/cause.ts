/** Length of the chain of causes that is shown. */
const DEPTH_MAX = 4;
/** Per cause. Messages of the system and of backends can have any length. */
const MESSAGE_CHARS_MAX = 256;

/** A thrown value and its chain of causes in one line, for the log only: it may hold internal details. */
export function describeCause(cause: unknown): string {
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

/** The message of a thrown value, which need not be an Error. Messages of JSON.parse quote the text; `describeCause` removes that. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function loggableMessage(error: Error): string {
  return error instanceof SyntaxError ? syntaxErrorKind(error.message) : error.message;
}

/** The error kinds of `JSON.parse` (JavaScriptCore, LiteralParser). Some are followed by a quote of the text, which may hold secrets. */
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

/** The kind of a JSON.parse error, without the quoted text. */
function syntaxErrorKind(message: string): string {
  return SYNTAX_ERROR_KINDS.find((kind) => message.includes(`: ${kind}`)) ?? "not parsed";
}

function clipped(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX).toWellFormed()}…`;
}
