const CAUSES_MAX = 8;
const CHARS_MAX = 300;

/**
 * Returns why a `fetch` failed, as a text in brackets for the end of an error message. The text is the message of the innermost
 * cause, because Node wraps the system's error several times. Returns an empty text if no cause has a message.
 */
export function whyFetchFailed(error: unknown): string {
  let text = "";
  let each = error;
  for (let count = 0; each instanceof Error && count < CAUSES_MAX; count++) {
    text = each.message || ("code" in each ? String(each.code) : "") || text;
    each = each.cause;
  }
  return text === "" ? "" : ` (${text.slice(0, CHARS_MAX)})`;
}
