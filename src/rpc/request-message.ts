import { Code, ConnectError } from "@connectrpc/connect";
import { FLAG_COMPRESSED, FRAME_HEADER_BYTES } from "../core/frame.ts";
import type { Compression } from "./compression.ts";
import { BodyTooLarge, type HttpRequest } from "./http.ts";

/** How much a client may send, and how what it sent is unpacked. */
export interface ReadOptions {
  readonly framed: boolean;
  /** Holds for the message as sent and, again, for the message as unpacked. */
  readonly bytesMax: number;
  readonly compression: Compression | undefined;
  /** What a longer message is refused with. */
  readonly tooLarge: (limitBytes: number) => Error;
}

/** The bytes of the one message of a request. Throws ConnectError, or what `tooLarge` gives. */
export async function readMessage(request: HttpRequest, options: ReadOptions): Promise<Uint8Array> {
  try {
    return await unpack(await readBody(request, options), options);
  } catch (error) {
    throw error instanceof BodyTooLarge ? options.tooLarge(options.bytesMax) : error;
  }
}

async function readBody(request: HttpRequest, { framed, bytesMax }: ReadOptions): Promise<Uint8Array> {
  try {
    return await request.readBody(framed ? bytesMax + FRAME_HEADER_BYTES : bytesMax);
  } catch (error) {
    if (error instanceof BodyTooLarge) throw error;
    throw new ConnectError("the request ended before its body", Code.Canceled, undefined, undefined, error);
  }
}

function unpack(body: Uint8Array, { framed, bytesMax, compression }: ReadOptions): Uint8Array | Promise<Uint8Array> {
  if (!framed) return compression === undefined ? body : compression.decompress(body, bytesMax);
  const { compressed, message } = unframe(body, bytesMax);
  if (!compressed) return message;
  if (compression === undefined) {
    throw new ConnectError("a message is compressed, but no compression was announced", Code.Internal);
  }
  return compression.decompress(message, bytesMax);
}

function unframe(body: Uint8Array, bytesMax: number): { compressed: boolean; message: Uint8Array } {
  const flags = body[0];
  if (flags === undefined) throw new ConnectError("the request holds no message", Code.Unimplemented);
  if (body.byteLength < FRAME_HEADER_BYTES) throw invalid("the message's frame is incomplete");
  if ((flags & ~FLAG_COMPRESSED) !== 0) throw invalid("the message's frame has unknown flags");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (length > bytesMax) throw new BodyTooLarge(bytesMax);
  const end = FRAME_HEADER_BYTES + length;
  if (body.byteLength < end) throw invalid("the message is shorter than its frame says");
  if (body.byteLength > end) throw new ConnectError("the request holds more than one message", Code.Unimplemented);
  return { compressed: flags === FLAG_COMPRESSED, message: body.subarray(FRAME_HEADER_BYTES) };
}

function invalid(text: string): ConnectError {
  return new ConnectError(text, Code.InvalidArgument);
}
