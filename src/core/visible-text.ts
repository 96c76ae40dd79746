/** RFC 5234 B.1 VCHAR: visible ASCII. Nothing in it can end a header or a log line, or read like something else. */
const VISIBLE = /^[\x21-\x7e]+$/;
const VISIBLE_WITH_SPACES = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Whether a text is 1 to `charsMax` visible characters. */
export function isVisible(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE.test(text);
}

/** Whether a text can be passed on as the value of a header. */
export function isHeaderValue(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE_WITH_SPACES.test(text);
}
