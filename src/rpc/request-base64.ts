import { Code, ConnectError } from "@connectrpc/connect";
import { BodyTooScattered, isScattered, piecesMax } from "./http.ts";
import { incompleteBody } from "./request-frame.ts";

/** Four characters of base64 stand for three bytes (RFC 4648 4). */
const GROUP_CHARACTERS = 4;
const GROUP_BYTES = 3;

/** Returns the maximum length, in characters, of a body in base64 that decodes to at most `bytes` bytes. */
export function base64CharactersMax(bytes: number): number {
  // The last group of each piece may contain padding. So each piece may need one more group.
  return GROUP_CHARACTERS * (Math.ceil(bytes / GROUP_BYTES) + Math.floor(piecesMax(bytes)));
}

/** Returns the maximum number of bytes that a text of `characters` characters decodes to. */
export function decodedBytesMax(characters: number): number {
  return Math.floor(characters / GROUP_CHARACTERS) * GROUP_BYTES;
}

/**
 * Decodes a body of gRPC-Web text. The body consists of one or more pieces of base64. A piece ends after its padding. Only the
 * canonical form (RFC 4648 4) is accepted:
 *
 * - the standard alphabet;
 * - complete padding, and unused bits that are 0;
 * - no line breaks or spaces.
 *
 * Throws ConnectError.
 */
export function decodeBase64(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  if (text.length % GROUP_CHARACTERS !== 0) throw notBase64();
  const decoded = new Uint8Array(decodedBytesMax(text.length));
  let length = 0;
  let pieces = 0;
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = pieceEnd(text, from);
    length += decodePiece(text.slice(from, to), decoded.subarray(length));
    if (isScattered(++pieces, length)) throw incompleteBody(new BodyTooScattered());
  }
  return decoded.subarray(0, length);
}

/** Returns the end of the piece that starts at `from`. A piece ends after its first group that has padding. */
function pieceEnd(text: string, from: number): number {
  const paddingAt = text.indexOf("=", from);
  return paddingAt < 0 ? text.length : from + (Math.floor((paddingAt - from) / GROUP_CHARACTERS) + 1) * GROUP_CHARACTERS;
}

/** Decodes a piece to the start of `target`. Returns the number of written bytes. */
function decodePiece(piece: string, target: Uint8Array): number {
  const { written } = strictly(() => target.setFromBase64(piece, { alphabet: "base64", lastChunkHandling: "strict" }));
  // `setFromBase64` skips white space, so a piece with white space gives fewer bytes than its length implies.
  if (written !== decodedBytesMax(piece.length) - paddingOf(piece)) throw notBase64();
  return written;
}

function paddingOf(piece: string): number {
  if (!piece.endsWith("=")) return 0;
  return piece.endsWith("==") ? 2 : 1;
}

function strictly<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw notBase64(cause);
  }
}

function notBase64(cause?: unknown): ConnectError {
  return new ConnectError("the request cannot be read as base64", Code.InvalidArgument, undefined, undefined, cause);
}
