/** The value of `for`: an address with an optional port. An IPv6 address is in brackets. RFC 7239 6. */
const IPV4_NODE = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/;
const IPV6_NODE = /^\[([0-9A-Fa-f:.]+)\](?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/;

/**
 * The hops of a `Forwarded` header (RFC 7239 4), the nearest first. Yields the text of each hop's address, or "" if it has none (`unknown`,
 * an obfuscated identifier, or a syntax error). Parsed from the right, so that what a client wrote on the left, such as an unpaired
 * quotation mark, does not change how the proxies' elements are parsed.
 */
export function* forwardedHops(header: string): Generator<string, void, undefined> {
  for (const element of splitFromRight(header, ",")) yield addressOf(element);
}

function addressOf(element: string): string {
  let node: string | undefined;
  for (const pair of splitFromRight(element, ";")) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, Math.max(equals, 0)).trim().toLowerCase() !== "for") continue;
    // "Each parameter MUST NOT occur more than once per field-value."
    if (node !== undefined) return "";
    node = unquoted(pair.slice(equals + 1).trim());
  }
  return IPV4_NODE.exec(node ?? "")?.[1] ?? IPV6_NODE.exec(node ?? "")?.[1] ?? "";
}

/** A valid node needs no escapes, so none are decoded. */
function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? value;
}

/** Splits at separators outside of quoted strings, from right to left. */
function* splitFromRight(text: string, separator: string): Generator<string, void, undefined> {
  let end = text.length;
  let isQuoted = false;
  for (let at = text.length - 1; at >= 0; at--) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted || isEscaped(text, at);
    if (character !== separator || isQuoted) continue;
    yield text.slice(at + 1, end);
    end = at;
  }
  yield text.slice(0, end);
}

/** Whether an odd number of backslashes precedes the character (RFC 9110 5.6.4). */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === "\\") before--;
  return (at - before) % 2 === 1;
}
