/**
 * The grammars of the contract (proto/README.md, "Envelope rules"), with their maximum lengths. The client imports this file
 * too.
 */

/** Maximum length of a device session id, in characters. */
export const DEVICE_SESSION_ID_MAX = 128;
/** Maximum length of a message type or event type, in characters. */
export const MESSAGE_TYPE_MAX = 128;
/** Maximum length of an event id, in characters. It is bounded because clients send event ids back in `resume_after`. */
export const EVENT_ID_MAX = 128;
/** Minimum length of a request id, in characters. */
export const REQUEST_ID_MIN = 8;
/** Maximum length of a request id, in characters. */
export const REQUEST_ID_MAX = 128;
/** Maximum length of a user id, in characters. It is bounded because user ids are part of event audiences and bucket keys. */
export const USER_ID_MAX = 256;

export const PROTOCOL_VERSION = "v1";
/** The only message type of SubscribeEvents. */
export const SUBSCRIBE_MESSAGE_TYPE = "gateway.subscribe";
/** The only message type of FetchEvents. */
export const FETCH_MESSAGE_TYPE = "gateway.fetch";

const RESERVED_PREFIX = "gateway.";
const DEVICE_SESSION_ID = new RegExp(`^[A-Za-z0-9._~-]{1,${DEVICE_SESSION_ID_MAX}}$`);
const REQUEST_ID = new RegExp(`^[A-Za-z0-9_-]{${REQUEST_ID_MIN},${REQUEST_ID_MAX}}$`);
const DOTTED_WORDS = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$/;

export function isDeviceSessionId(text: string): boolean {
  return DEVICE_SESSION_ID.test(text);
}

export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

/** Whether a text is an idempotency key. Keys have the grammar of request ids. False for the empty text, which means no key. */
export function isIdempotencyKey(text: string): boolean {
  return REQUEST_ID.test(text);
}

export function isUserId(text: string): boolean {
  return isVisible(text, USER_ID_MAX);
}

export function isEventId(text: string): boolean {
  return isVisible(text, EVENT_ID_MAX);
}

/** Whether a text matches the grammar of message types and event types. Types that are reserved for the gateway match too. */
export function isMessageType(text: string): boolean {
  return text.length <= MESSAGE_TYPE_MAX && DOTTED_WORDS.test(text);
}

/** Whether a message type or event type is reserved for the gateway. */
export function isReservedType(text: string): boolean {
  return text.startsWith(RESERVED_PREFIX);
}

/**
 * Matches visible ASCII characters (RFC 5234 B.1, VCHAR). Line breaks do not match, so such a text is safe in a header line and
 * in a log line. Unicode look-alikes do not match.
 */
const VISIBLE = /^[\x21-\x7e]+$/;
/** Matches visible ASCII characters and spaces. The first and the last character must not be a space. */
const VISIBLE_WITH_SPACES = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Whether a text consists of 1 to `charsMax` visible characters. */
export function isVisible(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE.test(text);
}

/** Whether a text is a valid header value of 1 to `charsMax` characters. */
export function isHeaderValue(text: string, charsMax: number): boolean {
  return text.length <= charsMax && VISIBLE_WITH_SPACES.test(text);
}
