/** RFC 9113 4.1, 6. */
export const FRAME_HEADER_OCTETS = 9;
export const DATA = 0;
export const HEADERS = 1;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const CONTINUATION = 9;

export interface FrameKind {
  readonly type: number;
  readonly flags: number;
  /** Of the payload. */
  readonly octets: number;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What a connection brings: whole frames of the types that are looked at, and all else as it comes. */
export type Piece = Frame | Uint8Array;

/** Splits one direction of an HTTP/2 connection. */
export class FrameReader {
  readonly #looksAt: (frame: FrameKind) => boolean;
  /** The beginning of a frame that is looked at, or of a frame's header. */
  #begun: Buffer = Buffer.alloc(0);
  /** Octets that pass before the next frame begins. */
  #passing: number;

  /** `prefaceOctets`: what comes before the first frame. */
  constructor(prefaceOctets: number, looksAt: (frame: FrameKind) => boolean) {
    this.#passing = prefaceOctets;
    this.#looksAt = looksAt;
  }

  read(chunk: Buffer): Piece[] {
    const bytes = this.#begun.byteLength === 0 ? chunk : Buffer.concat([this.#begun, chunk]);
    const pieces: Piece[] = [];
    let passed = 0;
    let at = this.#pass(bytes, 0);
    for (let end = this.#frameEnd(bytes, at); end <= bytes.byteLength; end = this.#frameEnd(bytes, at)) {
      if (at > passed) pieces.push(bytes.subarray(passed, at));
      pieces.push(frameOf(bytes.subarray(at, end)));
      passed = end;
      at = this.#pass(bytes, end);
    }
    if (at > passed) pieces.push(bytes.subarray(passed, at));
    this.#begun = bytes.subarray(at);
    return pieces;
  }

  /** Where the next frame begins that is looked at, or that is not known to pass; or where the bytes end. */
  #pass(bytes: Buffer, from: number): number {
    for (let at = from; ; ) {
      const passing = Math.min(this.#passing, bytes.byteLength - at);
      this.#passing -= passing;
      at += passing;
      if (bytes.byteLength - at < FRAME_HEADER_OCTETS) return at;
      const octets = bytes.readUIntBE(at, 3);
      if (this.#looksAt({ type: bytes.readUInt8(at + 3), flags: bytes.readUInt8(at + 4), octets })) return at;
      this.#passing = FRAME_HEADER_OCTETS + octets;
    }
  }

  /** Where the frame at `at` ends; beyond the bytes if it is not whole. */
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
