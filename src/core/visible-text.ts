/** Visible ASCII (RFC 5234 B.1, VCHAR). It cannot end a header or log line, and has no look-alike characters. */
const VISIBLE = /^[\x21-\x7e]+$/;
const VISIBLE_WITH_SPACES = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Whether a text is 1 to `charsMax` visible characters. */
export function isVisible(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE.test(text);
}

/** Whether a text is a valid header value of 1 to `charsMax` characters. */
export function isHeaderValue(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE_WITH_SPACES.test(text);
}
