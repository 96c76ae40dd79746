/**
 * Connect streams, gRPC and gRPC-Web share one message frame: a flag byte, the message's length as an unsigned 32-bit big-endian number, and
 * the message. A frame is the same bytes in all three protocols; only the end of a stream differs.
 */
export const FRAME_HEADER_BYTES = 5;

/** Flag bit: the message is compressed. */
export const FLAG_COMPRESSED = 0b0000_0001;

/** One framed message. */
export function encodeFrame(flags: number, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + message.byteLength);
  frame[0] = flags;
  new DataView(frame.buffer).setUint32(1, message.byteLength);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}
