/**
 * Length of a frame header, in bytes. The header is a flag byte and the length of the message. The length is an unsigned
 * 32-bit big-endian number. The message follows the header.
 *
 * Connect streams, gRPC and gRPC-Web use the same frames for messages. Only the end of a stream differs.
 */
export const FRAME_HEADER_BYTES = 5;

/** The bit of the flag byte that is 1 if the message is compressed. */
export const FLAG_COMPRESSED = 0b0000_0001;

export function encodeFrame(flags: number, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + message.byteLength);
  frame[0] = flags;
  new DataView(frame.buffer).setUint32(1, message.byteLength);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/** Returns the bytes in base64, padded (RFC 4648 4), as ASCII. gRPC-Web text sends each frame in this form. */
export function encodeBase64(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Buffer.from(bytes.toBase64(), "latin1");
}
