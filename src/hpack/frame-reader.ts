/** Frame header length and frame types (RFC 9113 4.1, 6). */
export const FRAME_HEADER_OCTETS = 9;
export const DATA = 0;
export const HEADERS = 1;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const CONTINUATION = 9;

export interface FrameKind {
  readonly type: number;
  readonly flags: number;
  /** Length of the payload. */
  readonly octets: number;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A whole frame if the reader parses its type; otherwise raw bytes. */
export type Piece = Frame | Uint8Array;

/** Splits one direction of an HTTP/2 connection into frames to parse and raw bytes. */
export class FrameReader {
  readonly #parses: (frame: FrameKind) => boolean;
  /** The start of an incomplete frame header, or of an incomplete frame to parse. */
  #pending: Buffer = Buffer.alloc(0);
  /** Octets to pass on unparsed, up to the start of the next frame. */
  #skipOctets: number;

  /** `prefaceOctets`: octets before the first frame. */
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

  /** Start of the next frame to parse, or of an incomplete frame header. The end of the bytes if there is none. */
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

  /** End of the frame at `at`. Beyond the bytes if the frame is incomplete. */
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
