/**
 * Matches control characters, and characters that change the direction or the visibility of text. A server could use them to
 * hide text or to control the terminal.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Returns the text with each unprintable character as a JSON escape, such as `\u001b`. The text then fits on one line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

const CHARS_MAX = 300;

/** Returns a text from the server in printable form, on one line. Truncates it after `CHARS_MAX` characters. */
export function printableLine(text: string): string {
  const short = text.length <= CHARS_MAX ? text : `${text.slice(0, CHARS_MAX)}…`;
  return printable(short.toWellFormed());
}

/** Prints problems to standard error. Each line of a problem becomes one printed line. */
export function printProblems(problems: readonly string[]): void {
  const lines = problems.flatMap((problem) => problem.trimEnd().split("\n"));
  for (const line of lines) console.error(`sallyport: ${printableLine(line)}`);
}

function escaped(text: string): string {
  return Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
}
