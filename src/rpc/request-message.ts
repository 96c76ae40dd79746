import { Code, ConnectError } from "@connectrpc/connect";
import { FLAG_COMPRESSED, FRAME_HEADER_BYTES } from "../core/frame.ts";
import { refuse } from "../core/refusal.ts";
import type { Decompress } from "./compression.ts";
import { BodyTooLarge, type HttpRequest } from "./http.ts";

/** How much a client may send, and how what it sent is unpacked. */
export interface ReadOptions {
  readonly framed: boolean;
  /** Holds for the message as sent and, again, for the message as unpacked. */
  readonly bytesMax: number;
  readonly decompress: Decompress | undefined;
}

/** The bytes of the one message of a request. Throws ConnectError, or REQUEST_TOO_LARGE. */
export async function readMessage(request: HttpRequest, options: ReadOptions): Promise<Uint8Array> {
  const { framed, bytesMax, decompress } = options;
  const body = await readBody(request, framed ? FRAME_HEADER_BYTES : 0, bytesMax);
  if (!framed) return decompress === undefined ? body : decompress(body, bytesMax);
  const { compressed, message } = unframe(body, bytesMax);
  if (!compressed) return message;
  if (decompress === undefined) {
    throw new ConnectError("a message is compressed, but no compression was announced", Code.Internal);
  }
  return decompress(message, bytesMax);
}

async function readBody(request: HttpRequest, overheadBytes: number, bytesMax: number): Promise<Uint8Array> {
  try {
    return await request.readBody(overheadBytes + bytesMax);
  } catch (error) {
    if (error instanceof BodyTooLarge) throw tooLarge(bytesMax);
    throw new ConnectError("the request ended before its body", Code.Canceled, undefined, undefined, error);
  }
}

function unframe(body: Uint8Array, bytesMax: number): { compressed: boolean; message: Uint8Array } {
  const flags = body[0];
  if (flags === undefined) throw new ConnectError("the request holds no message", Code.Unimplemented);
  if (body.byteLength < FRAME_HEADER_BYTES) throw invalid("the message's frame is incomplete");
  if ((flags & ~FLAG_COMPRESSED) !== 0) throw invalid("the message's frame has unknown flags");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (length > bytesMax) throw tooLarge(bytesMax);
  const end = FRAME_HEADER_BYTES + length;
  if (body.byteLength < end) throw invalid("the message is shorter than its frame says");
  if (body.byteLength > end) throw new ConnectError("the request holds more than one message", Code.Unimplemented);
  return { compressed: flags === FLAG_COMPRESSED, message: body.subarray(FRAME_HEADER_BYTES) };
}

function invalid(text: string): ConnectError {
  return new ConnectError(text, Code.InvalidArgument);
}

function tooLarge(limitBytes: number) {
  return refuse("REQUEST_TOO_LARGE", { metadata: { limit_bytes: String(limitBytes) } });
}
