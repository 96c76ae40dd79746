import { Code, ConnectError } from "@connectrpc/connect";
import { FRAME_HEADER_BYTES } from "./frame.ts";
import { BodyTooLarge, type HttpRequest } from "./http.ts";
import type { BodyForm } from "./protocol.ts";
import { base64CharactersMax, decodeBase64, decodedBytesMax } from "./request-base64.ts";
import { decodeFrameHeader, incompleteBody, incompleteFrame, type UnpackOptions, unpackMessage } from "./request-frame.ts";

export interface ReadOptions extends UnpackOptions {
  readonly framed: boolean;
  readonly bodyForm: BodyForm;
  /** Creates the error for a message that is longer than `limitBytes`. */
  readonly tooLarge: (limitBytes: number) => Error;
}

/** Reads the only message of a unary or server-streaming request. Throws ConnectError, or the error that `tooLarge` creates. */
export async function readMessage(request: HttpRequest, options: ReadOptions): Promise<Uint8Array> {
  const { framed, bodyForm, bytesMax } = options;
  const bodyBytesMax = framed ? bytesMax + FRAME_HEADER_BYTES : bytesMax;
  try {
    if (bodyForm === "binary") return unpack(await request.readBody(bodyBytesMax).catch(throwBodyError), options);
    const text = await request.readBody(base64CharactersMax(bodyBytesMax)).catch(throwBodyError);
    return unpack(decodeText(text, options), options);
  } catch (error) {
    throw error instanceof BodyTooLarge ? options.tooLarge(Math.min(error.limitBytes, bytesMax)) : error;
  }
}

function throwBodyError(error: unknown): never {
  throw error instanceof BodyTooLarge ? error : incompleteBody(error);
}

/**
 * Decodes a body in base64, which takes hundreds of µs if the body is long. So `beforeDecoding` is called first, with the
 * maximum length of the message that the body can contain.
 */
function decodeText(text: Uint8Array, { beforeDecoding }: ReadOptions): Uint8Array {
  beforeDecoding(Math.max(0, decodedBytesMax(text.byteLength) - FRAME_HEADER_BYTES), false);
  return decodeBase64(text);
}

function unpack(body: Uint8Array, options: ReadOptions): Uint8Array {
  const { framed, bytesMax, compression } = options;
  if (!framed) return unpackMessage(body, compression !== undefined, options);
  const { compressed, message } = unframe(body, bytesMax);
  return unpackMessage(message, compressed, options);
}

function unframe(body: Uint8Array, bytesMax: number): { compressed: boolean; message: Uint8Array } {
  if (body.byteLength === 0) throw new ConnectError("the request holds no message", Code.Unimplemented);
  const { compressed, messageBytes } = decodeFrameHeader(body, bytesMax);
  const end = FRAME_HEADER_BYTES + messageBytes;
  if (body.byteLength < end) throw incompleteFrame();
  if (body.byteLength > end) throw new ConnectError("the request holds more than one message", Code.Unimplemented);
  return { compressed, message: body.subarray(FRAME_HEADER_BYTES) };
}
