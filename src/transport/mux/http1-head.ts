import { FramingError } from "./chunked-body.ts";

/** The start line of an HTTP/1.1 message, and the length of its body (RFC 9112 6.3). */
export interface MessageHead {
  readonly startLine: string;
  /**
   * How the head gives the length of the body: `chunked` for a chunked body, a number for the value of Content-Length,
   * `undefined` for neither.
   */
  readonly body: "chunked" | number | undefined;
}

const LENGTH = /\r\ncontent-length[ \t]*:[ \t]*([^\r\n]*)/gi;
const CODING = /\r\ntransfer-encoding[ \t]*:[ \t]*([^\r\n]*)/gi;

/**
 * Parses the head of a message. `head` must not contain the empty line at its end. Throws FramingError if the length of the
 * body is invalid or ambiguous, because another parser could then find another length.
 */
export function readHead(head: string): MessageHead {
  const end = head.indexOf("\r\n");
  const startLine = end < 0 ? head : head.slice(0, end);
  const lengths = valuesOf(head, LENGTH);
  const codings = valuesOf(head, CODING);
  if (codings.length === 0 && lengths.length === 0) return { startLine, body: undefined };
  if (codings.length + lengths.length > 1) throw new FramingError("the head contains two lengths of the body");
  if (codings.length === 1 && codings[0]?.toLowerCase() === "chunked") return { startLine, body: "chunked" };
  const [length = ""] = lengths;
  if (!/^\d{1,15}$/.test(length)) throw new FramingError("the head contains an invalid length of the body");
  return { startLine, body: Number(length) };
}

function valuesOf(head: string, field: RegExp): string[] {
  return Array.from(head.matchAll(field), ([, value = ""]) => value.trim());
}
