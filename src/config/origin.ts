import { type Decoder, decoder } from "./decoder.ts";

const WEB = /^https?:\/\//;
/** Matches URLs whose scheme never occurs in an `Origin` header. */
const NEVER_AN_ORIGIN = /^(wss?|ftp|data|blob|about|javascript|mailto|rediss?):/i;
/** The origin of an app shell (a native app around web pages), such as `capacitor://localhost`. The host may be missing. */
const APP_SHELL = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*|\.)?(?::[1-9]\d{0,4})?$/;

/**
 * Decodes `*` (all origins), or an origin exactly as browsers and app shells send it (RFC 6454 6.2). Other spellings are
 * rejected: the gateway compares the `Origin` header byte by byte, so they would never match.
 */
export const origin: Decoder<string> = decoder(
  'an origin such as "https://app.example" or "capacitor://localhost", without a path, or "*"',
  (raw) => (typeof raw === "string" && isOrigin(raw) ? raw : undefined),
  {
    hint: (raw) => (typeof raw === "string" ? adviceFor(raw) : undefined),
    schema: { type: "string", pattern: "^(\\*|[a-z][a-z0-9+.-]*://[^/?#@]*)$" },
  },
);

function isOrigin(raw: string): boolean {
  if (raw === "*") return true;
  if (WEB.test(raw)) return URL.parse(raw)?.origin === raw && hasWholeHost(raw);
  return APP_SHELL.test(raw) && !NEVER_AN_ORIGIN.test(raw);
}

/** The host of a URL: an IPv6 address in brackets, or dot-separated labels of letters, digits, hyphens and underscores. */
const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/;

/** Returns true if the host of the URL matches `HOST`. The URL parser also accepts hosts such as `*.example` and `a,b`. */
function hasWholeHost(url: string): boolean {
  return HOST.test(URL.parse(url)?.hostname ?? "");
}

/**
 * Returns advice on what to write instead of `raw`. Never quotes the user, path or query of a URL, because they may be secrets.
 */
function adviceFor(raw: string): string {
  if (raw.toLowerCase() === "null")
    return 'every sandboxed page sends "null", so all of them would be allowed; serve the pages from an origin, or write "*"';
  if (/[,;\s]/.test(raw.trim())) return "write each origin as a separate item";
  if (/[*{}$()|^]/.test(raw))
    return 'patterns are not supported; list each origin, such as "https://app.example", or "*" for all';
  const written = serialised(raw);
  return written === undefined
    ? 'write scheme, host and, unless it is the default, port; or "*" for all'
    : `write "${written}"`;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\//i;
/** A host name without a scheme. The label lengths are limited, so that a secret with dots, such as a token, does not match. */
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

/** Converts ws to http and wss to https, because a WebSocket request has the http or https origin of its page. */
function toHttp(scheme: string): string {
  return scheme.toLowerCase() === "wss:" ? "https:" : "http:";
}
