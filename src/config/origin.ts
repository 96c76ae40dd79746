import { type Decoder, decoder } from "./decoder.ts";

/** Origins that every page has, or that none has: what a list with them means is not what it says. */
const WEB = /^https?:\/\//;
const NEVER_AN_ORIGIN = /^(wss?|ftp|data|blob|about|javascript|mailto|rediss?):/i;
/** An app shell's own scheme, such as `capacitor://localhost` or `app://-`. Some shells leave the host out. */
const APP_SHELL = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*|\.)?(?::[1-9]\d{0,4})?$/;

/**
 * An origin as browsers and app shells serialise it (RFC 6454 6.2), or `*` for all of them. It is compared byte by byte with the Origin
 * header, so that any other spelling would match nothing.
 */
export const origin: Decoder<string> = decoder(
  'an origin such as "https://app.example" or "capacitor://localhost", without a path, or "*"',
  (raw) => (typeof raw === "string" && isOrigin(raw) ? raw : undefined),
  { hint: (raw) => (typeof raw === "string" ? insteadOf(raw) : undefined) },
);

function isOrigin(raw: string): boolean {
  if (raw === "*") return true;
  if (WEB.test(raw)) return URL.parse(raw)?.origin === raw && hasWholeHost(raw);
  return APP_SHELL.test(raw) && !NEVER_AN_ORIGIN.test(raw);
}

/** Of what the URL parser takes for a host: no wildcard, and no label left out. */
function hasWholeHost(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  return !/[*{}$()|^!']|\.\.|^\./.test(host);
}

/** What to write instead. Shows an origin at most: nothing of a user, a path or a query, which may be secrets. */
function insteadOf(raw: string): string {
  if (raw.toLowerCase() === "null")
    return 'every sandboxed page sends "null", so it would let in all of them; serve the pages from an origin, or write "*"';
  if (/[,\s]/.test(raw.trim())) return "write each origin as an item of its own";
  if (/[*{}$()|^]/.test(raw))
    return 'there are no patterns; write out each origin, such as "https://app.example", or "*" for all';
  const written = serialised(raw);
  return written === undefined
    ? 'write scheme, host and, if it is not the default, port; or "*" for all'
    : `write "${written}"`;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\//i;
/** A host's name, and no token that has dots. */
const BARE_HOST = /^(?:\/\/)?((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?::\d{1,5})?)(?:\/|$)/i;

function serialised(raw: string): string | undefined {
  const text = raw.trim();
  const [, host] = BARE_HOST.exec(text) ?? [];
  if (host === undefined && !SCHEME.test(text)) return undefined;
  const url = URL.parse(host === undefined ? text.replace(/^wss?:/i, toHttp) : `https://${host}`);
  if (url === null || url.username !== "" || url.password !== "") return undefined;
  const isWeb = /^https?:$/.test(url.protocol);
  const written = isWeb ? url.origin : `${url.protocol}//${url.host.toLowerCase()}`;
  return isOrigin(written) ? written : undefined;
}

/** A page that opens a WebSocket has the origin that it was loaded from. */
function toHttp(scheme: string): string {
  return scheme.toLowerCase() === "wss:" ? "https:" : "http:";
}
