/**
 * The exact bytes that are signed (proto/README.md, "What is signed"): frame(domain) ‖ frame(field 1) ‖ … ‖ frame(field n).
 * - frame(x) is the length of x as an unsigned 32-bit big-endian number, followed by x.
 * - A string is written as UTF-8. An int64 is written as 8 bytes, big-endian two's complement.
 *
 * Gateway and client share this file. It uses no API of Bun or Node, so that it also runs in browsers.
 */

type Field = string | bigint | Uint8Array;

export interface RequestFields {
  readonly protocolVersion: string;
  readonly deviceSessionId: string;
  readonly messageType: string;
  readonly timestampMs: bigint;
  readonly requestId: string;
  readonly payloadHash: Uint8Array;
  /** The idempotency key. If it is empty or missing, it has no frame in the signing input. */
  readonly idempotencyKey?: string | undefined;
}

export interface ResponseFields {
  readonly protocolVersion: string;
  /**
   * The session id of the request. It is signed although the response does not contain it. This binds the response to its
   * request.
   */
  readonly deviceSessionId: string;
  /**
   * The message type of the request. It is signed although the response does not contain it. This binds the response to its
   * request.
   */
  readonly messageType: string;
  readonly requestId: string;
  readonly timestampMs: bigint;
  readonly resultCode: string;
  readonly payloadHash: Uint8Array;
  readonly keyId: string;
}

export interface EventFields {
  readonly protocolVersion: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly audience: string;
  readonly timestampMs: bigint;
  readonly payloadHash: Uint8Array;
  readonly keyId: string;
}

/** The bytes that a device signs for a request. */
export function requestSigningInput(f: RequestFields): Uint8Array<ArrayBuffer> {
  const fields: Field[] = [
    "sallyport.request.v1",
    f.protocolVersion,
    f.deviceSessionId,
    f.messageType,
    f.timestampMs,
    f.requestId,
    f.payloadHash,
  ];
  if (f.idempotencyKey) fields.push(f.idempotencyKey);
  return frames(fields);
}

/** The bytes that the gateway signs for a response. */
export function responseSigningInput(f: ResponseFields): Uint8Array<ArrayBuffer> {
  return frames([
    "sallyport.response.v1",
    f.protocolVersion,
    f.deviceSessionId,
    f.messageType,
    f.requestId,
    f.timestampMs,
    f.resultCode,
    f.payloadHash,
    f.keyId,
  ]);
}

/** The bytes that the gateway signs for an event. All streams get the same signature. */
export function eventSigningInput(f: EventFields): Uint8Array<ArrayBuffer> {
  return frames([
    "sallyport.event.v1",
    f.protocolVersion,
    f.eventType,
    f.eventId,
    f.audience,
    f.timestampMs,
    f.payloadHash,
    f.keyId,
  ]);
}

const LENGTH_BYTES = 4;
const INT64_BYTES = 8;
const ASCII_MAX = 0x7f;
const utf8 = new TextEncoder();
/** A buffer in which an int64 is converted to bytes. All calls share it, to save allocations. */
const int64Scratch = new DataView(new ArrayBuffer(INT64_BYTES));

function frames(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const field of fields) length += LENGTH_BYTES + byteLength(field);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const field of fields) at = writeFrame(field, bytes, at);
  return bytes;
}

function byteLength(field: Field): number {
  if (typeof field === "bigint") return INT64_BYTES;
  return typeof field === "string" ? utf8Length(field) : field.byteLength;
}

/**
 * Returns the length of a text in UTF-8, in bytes. Nearly every text is short and ASCII, so its UTF-8 length is `text.length`.
 * For such a text, a loop is faster than a call of the encoder.
 */
function utf8Length(text: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) > ASCII_MAX) return utf8.encode(text).byteLength;
  }
  return text.length;
}

/** Writes one frame (the length of a field, then the field) at the offset `at`. Returns the offset after the frame. */
function writeFrame(field: Field, bytes: Uint8Array, at: number): number {
  const length = byteLength(field);
  bytes[at] = length >>> 24;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
  const start = at + LENGTH_BYTES;
  if (typeof field === "string") writeText(field, length, bytes, start);
  else if (typeof field === "bigint") writeInt64(field, bytes, start);
  else bytes.set(field, start);
  return start + length;
}

function writeText(text: string, length: number, bytes: Uint8Array, start: number): void {
  if (length !== text.length) bytes.set(utf8.encode(text), start);
  else for (let at = 0; at < length; at++) bytes[start + at] = text.charCodeAt(at);
}

function writeInt64(value: bigint, bytes: Uint8Array, start: number): void {
  int64Scratch.setBigInt64(0, value);
  for (let at = 0; at < INT64_BYTES; at++) bytes[start + at] = int64Scratch.getUint8(at);
}
