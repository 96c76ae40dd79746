/** Length of a frame header, in octets (RFC 9113 4.1). The next constants are frame types (RFC 9113 6). */
const FRAME_HEADER_OCTETS = 9;
export const DATA = 0;
export const HEADERS = 1;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const CONTINUATION = 9;

export interface FrameKind {
  readonly type: number;
  readonly flags: number;
  /** Length of the frame's payload, in octets. */
  readonly octets: number;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A parsed frame, or unparsed bytes. Unparsed bytes may start and end within a frame. */
export type Piece = Frame | Uint8Array;

/**
 * Splits the bytes of one direction of an HTTP/2 connection. Parses the selected frames. Returns all other bytes unparsed.
 */
export class FrameReader {
  readonly #parses: (frame: FrameKind) => boolean;
  /** Bytes of an incomplete frame header, or of an incomplete frame that must be parsed. */
  #pending: Buffer = Buffer.alloc(0);
  /** Number of octets before the next frame header. The reader returns these octets unparsed. */
  #skipOctets: number;

  /** `prefaceOctets`: number of octets before the first frame. `parses`: selects the frames to parse. */
  constructor(prefaceOctets: number, parses: (frame: FrameKind) => boolean) {
    this.#skipOctets = prefaceOctets;
    this.#parses = parses;
  }

  read(chunk: Buffer): Piece[] {
    const bytes = this.#pending.byteLength === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const pieces: Piece[] = [];
    let copied = 0;
    let at = this.#skip(bytes, 0);
    for (let end = this.#frameEnd(bytes, at); end <= bytes.byteLength; end = this.#frameEnd(bytes, at)) {
      if (at > copied) pieces.push(bytes.subarray(copied, at));
      pieces.push(frameOf(bytes.subarray(at, end)));
      copied = end;
      at = this.#skip(bytes, end);
    }
    if (at > copied) pieces.push(bytes.subarray(copied, at));
    this.#pending = bytes.subarray(at);
    return pieces;
  }

  /**
   * Skips bytes that need no parsing. Returns the offset of:
   * - the next frame to parse,
   * - an incomplete frame header, or
   * - the end of `bytes`.
   */
  #skip(bytes: Buffer, from: number): number {
    for (let at = from; ; ) {
      const skipped = Math.min(this.#skipOctets, bytes.byteLength - at);
      this.#skipOctets -= skipped;
      at += skipped;
      if (bytes.byteLength - at < FRAME_HEADER_OCTETS) return at;
      const octets = bytes.readUIntBE(at, 3);
      if (this.#parses({ type: bytes.readUInt8(at + 3), flags: bytes.readUInt8(at + 4), octets })) return at;
      this.#skipOctets = FRAME_HEADER_OCTETS + octets;
    }
  }

  /**
   * Returns the end of the frame that starts at `at`. If the frame is incomplete, the end is larger than `bytes.byteLength`.
   */
  #frameEnd(bytes: Buffer, at: number): number {
    if (bytes.byteLength - at < FRAME_HEADER_OCTETS) return Number.POSITIVE_INFINITY;
    return at + FRAME_HEADER_OCTETS + bytes.readUIntBE(at, 3);
  }
}

function frameOf(bytes: Buffer): Frame {
  return {
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    stream: bytes.readUInt32BE(5),
    payload: bytes.subarray(FRAME_HEADER_OCTETS),
  };
}

export function encodeFrame({ type, flags, stream, payload }: Frame): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_OCTETS);
  header.writeUIntBE(payload.byteLength, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
