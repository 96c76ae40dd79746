import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "./compression.ts";
import { FLAG_COMPRESSED, FRAME_HEADER_BYTES } from "./frame.ts";
import { BodyTooLarge, BodyTooScattered, BodyTooSlow } from "./http.ts";

/** The decoded header of a frame. frame.ts describes the format. */
export interface FrameHeader {
  readonly compressed: boolean;
  readonly messageBytes: number;
}

/**
 * Decodes the frame header at the start of `bytes`.
 *
 * - Throws BodyTooLarge if the message is longer than `messageBytesMax`.
 * - Throws ConnectError if the header is incomplete, or if it has a flag other than the compression flag.
 */
export function decodeFrameHeader(bytes: Uint8Array, messageBytesMax: number): FrameHeader {
  if (bytes.byteLength < FRAME_HEADER_BYTES) throw incompleteFrame();
  const flags = bytes[0] ?? 0;
  if ((flags & ~FLAG_COMPRESSED) !== 0) throw new ConnectError("a message's frame has unknown flags", Code.InvalidArgument);
  const messageBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (messageBytes > messageBytesMax) throw new BodyTooLarge(messageBytesMax);
  return { compressed: flags === FLAG_COMPRESSED, messageBytes };
}

export function incompleteFrame(): ConnectError {
  return new ConnectError("the request ends within a message", Code.InvalidArgument);
}

/**
 * Returns the ConnectError for an error that occurred while a request body was read. The error means that the body was too slow,
 * that the body had too many pieces, or that the client disconnected.
 */
export function incompleteBody(cause: unknown): ConnectError {
  if (cause instanceof BodyTooSlow) {
    return new ConnectError("the request took too long to arrive", Code.DeadlineExceeded, undefined, undefined, cause);
  }
  if (cause instanceof BodyTooScattered) {
    return new ConnectError("the request comes in too many pieces", Code.InvalidArgument, undefined, undefined, cause);
  }
  return new ConnectError("the request ended before its body", Code.Canceled, undefined, undefined, cause);
}

export interface UnpackOptions {
  /** Maximum length of a message, in bytes. It applies before and after decompression. */
  readonly bytesMax: number;
  readonly compression: Compression | undefined;
  /**
   * Called with the length of each message in bytes, before the message is decompressed and decoded. If it throws an error, the
   * call ends with this error.
   */
  readonly beforeDecoding: (bytes: number, isPacked: boolean) => void;
}

/** Returns the decompressed message if `compressed` is true. Returns the message unchanged if `compressed` is false. */
export function unpackMessage(
  message: Uint8Array,
  compressed: boolean,
  { compression, bytesMax, beforeDecoding }: UnpackOptions,
) {
  beforeDecoding(message.byteLength, compressed);
  if (!compressed) return message;
  if (compression === undefined) {
    throw new ConnectError("a message is compressed, but no compression was announced", Code.Internal);
  }
  return compression.decompress(message, bytesMax);
}
