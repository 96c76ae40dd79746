/** Causes of causes beyond this say nothing new. */
const DEPTH_MAX = 4;
/** Of each of them; messages of ours are shorter, and those of systems and backends may be of any length. */
const MESSAGE_CHARS_MAX = 256;

/** What was thrown and what lay behind it, in one line for the log: it may name what no client is to know. */
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

/** The message of what was thrown, which need not be an Error. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function loggableMessage(error: Error): string {
  return error instanceof SyntaxError ? syntaxErrorKind(error.message) : error.message;
}

/** What `JSON.parse` calls its errors (JavaScriptCore, LiteralParser); behind some of them it quotes the text, which may hold secrets. */
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

/** The kind of a parser's error, without what it quotes. */
function syntaxErrorKind(message: string): string {
  return SYNTAX_ERROR_KINDS.find((kind) => message.includes(`: ${kind}`)) ?? "not parsed";
}

function clipped(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX).toWellFormed()}…`;
}
