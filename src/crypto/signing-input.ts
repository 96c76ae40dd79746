/**
 * The exact bytes that are signed: frame(domain) ‖ frame(field 1) ‖ … ‖ frame(field n), where frame(x) is the length of x as an
 * unsigned 32-bit big-endian number, then x. Strings are UTF-8; an int64 is its 8 bytes, big-endian two's complement.
 * proto/README.md, "What is signed". Runs anywhere: the client signs and verifies with this very file.
 */

type Field = string | bigint | Uint8Array;

export interface RequestFields {
  readonly protocolVersion: string;
  readonly deviceSessionId: string;
  readonly messageType: string;
  readonly timestampMs: bigint;
  readonly requestId: string;
  readonly payloadHash: Uint8Array;
}

export interface ResponseFields {
  readonly protocolVersion: string;
  /** The request's own, whether or not the response carries it: this binds the answer to its question. */
  readonly deviceSessionId: string;
  /** The request's own. */
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

/** What a device signs to make a request. */
export function requestSigningInput(f: RequestFields): Uint8Array<ArrayBuffer> {
  return frames([
    "sallyport.request.v1",
    f.protocolVersion,
    f.deviceSessionId,
    f.messageType,
    f.timestampMs,
    f.requestId,
    f.payloadHash,
  ]);
}

/** What the gateway signs to answer a request. */
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

/** What the gateway signs to send an event, once for all streams. */
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
const utf8 = new TextEncoder();

function frames(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + LENGTH_BYTES + bytesAtMost(field), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const field of fields) {
    const length = write(field, bytes, view, at + LENGTH_BYTES);
    view.setUint32(at, length);
    at += LENGTH_BYTES + length;
  }
  return bytes.subarray(0, at);
}

/** A UTF-16 unit becomes at most three bytes of UTF-8. */
function bytesAtMost(field: Field): number {
  if (typeof field === "bigint") return INT64_BYTES;
  return typeof field === "string" ? field.length * 3 : field.byteLength;
}

function write(field: Field, bytes: Uint8Array, view: DataView, at: number): number {
  if (typeof field === "string") return utf8.encodeInto(field, bytes.subarray(at)).written;
  if (typeof field === "bigint") {
    view.setBigInt64(at, field);
    return INT64_BYTES;
  }
  bytes.set(field, at);
  return field.byteLength;
}
