/**
 * These patterns match the value of the parameter `for`: an address with an optional port (RFC 7239 6). An IPv6 address is in
 * brackets.
 */
const IPV4_NODE = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/;
const IPV6_NODE = /^\[([0-9A-Fa-f:.]+)\](?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/;

/**
 * Yields the hops of a `Forwarded` header (RFC 7239 4), starting with the nearest hop. A hop is the text of an address. If an
 * element has no address (`unknown`, an obfuscated identifier, or a syntax error), its hop is "".
 *
 * The header is parsed from right to left, because proxies append their elements on the right. So a syntax error in the
 * elements of the client, such as an unpaired quotation mark, does not affect the elements of proxies.
 */
export function* forwardedHops(header: string): Generator<string, void, undefined> {
  for (const element of splitFromRight(header, ",")) yield addressOf(element);
}

function addressOf(element: string): string {
  let node: string | undefined;
  for (const pair of splitFromRight(element, ";")) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, Math.max(equals, 0)).trim().toLowerCase() !== "for") continue;
    // RFC 7239 4: "Each parameter MUST NOT occur more than once per field-value."
    if (node !== undefined) return "";
    node = unquoted(pair.slice(equals + 1).trim());
  }
  return IPV4_NODE.exec(node ?? "")?.[1] ?? IPV6_NODE.exec(node ?? "")?.[1] ?? "";
}

/** Removes the quotation marks of a value. Backslash escapes are not decoded, because a valid address contains none. */
function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? value;
}

/** Splits a text at the separators outside of quoted strings. Yields the parts from right to left. */
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

/** Returns whether the character at `at` is escaped: an odd number of backslashes precedes it (RFC 9110 5.6.4). */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === "\\") before--;
  return (at - before) % 2 === 1;
}
