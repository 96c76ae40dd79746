import { createHash } from "node:crypto";
import type { IdentityKind } from "../../../core/public-routes.ts";
import { foldedKey, mailboxKey } from "./mailbox-key.ts";
import { invalid, requireChallenge, requireEmail, textOf } from "./public-fields.ts";

/** Maximum length of an opaque identity, in UTF-16 code units. It must suffice for authorization codes and ID tokens (OIDC). */
const OPAQUE_CHARS_MAX = 8192;
const CONTROL = /\p{Cc}/u;

/** Returns the key of the bucket for the identity of a call. Throws RestError if the identity breaks the rule of its kind. */
export function identityKey(kind: IdentityKind, value: unknown, name: string): string {
  const text = textOf(value, name);
  if (kind === "challenge") return requireChallenge(text, name);
  if (kind === "opaque") return opaqueKey(text, name);
  requireEmail(text, name);
  return mailboxKey(text);
}

/**
 * Returns the key of the bucket for a name, a phone number or another text of the application.
 *
 * Spellings that a database may treat as equal share a key. So a new spelling of one account gets no new bucket. The key is a hash,
 * because the text may be long, such as an ID token.
 */
function opaqueKey(text: string, name: string): string {
  if (text.length > OPAQUE_CHARS_MAX || !text.isWellFormed() || CONTROL.test(text)) {
    throw invalid(`${name} must be 1 to ${OPAQUE_CHARS_MAX} characters of valid Unicode, without control characters`);
  }
  return createHash("sha256").update(foldedKey(text)).digest("base64url");
}
