import {
  CONTINUATION,
  DATA,
  encodeFrame,
  type Frame,
  type FrameKind,
  FrameReader,
  HEADERS,
  type Piece,
  PUSH_PROMISE,
  SETTINGS,
} from "./frame-reader.ts";
import { HeaderRewriter } from "./header-rewriter.ts";

export type Role = "client" | "server";

/** RFC 9113 6.5.2: the initial size of every table. Bun's encoder never changes it. */
export const TABLE_OCTETS = 4096;
const SETTINGS_HEADER_TABLE_SIZE = 1;
const SETTING_OCTETS = 6;
/** RFC 9113 4.2: the frame size that every endpoint accepts. It is larger than any SETTINGS frame in use. */
const FRAME_OCTETS_MAX = 16_384;
const CLIENT_PREFACE_OCTETS = 24;

const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_OCTETS = 5;

/** Whether a SETTINGS payload (RFC 9113 6.5.1) contains a table size below the encoder's, even if a later entry raises it again. */
function hasSmallTable(settings: Buffer): boolean {
  for (let at = 0; at + SETTING_OCTETS <= settings.byteLength; at += SETTING_OCTETS) {
    if (settings.readUInt16BE(at) !== SETTINGS_HEADER_TABLE_SIZE) continue;
    if (settings.readUInt32BE(at + 2) < TABLE_OCTETS) return true;
  }
  return false;
}

/** Whether a client may have a small table, by its first bytes (RFC 9113 3.4). True if they do not contain its whole SETTINGS frame. */
export function mayHaveSmallTable(firstBytes: Buffer): boolean {
  const [settings] = receivedReader("server").read(firstBytes).filter(isFrame);
  return settings === undefined || hasSmallTable(settings.payload);
}

/**
 * Applies the peer's SETTINGS_HEADER_TABLE_SIZE to a connection of `node:http2`. Bun 1.4.5 ignores it
 * (https://github.com/oven-sh/bun/issues/19152), so a peer with a smaller table cannot decode header blocks. From a smaller size
 * on, blocks are rewritten to use no dynamic table. The first block after the acknowledgement starts with a size update (RFC 7541 4.2).
 */
export class TableSizeFilter {
  readonly #receivedReader: FrameReader;
  readonly #sent: FrameReader;
  readonly #rewriter = new HeaderRewriter(TABLE_OCTETS);
  /** Per unacknowledged SETTINGS frame: whether it sets a small table. */
  readonly #unacknowledged: boolean[] = [];
  /** A header block whose last CONTINUATION frame is not yet read. */
  #incomplete: { readonly first: Frame; readonly fragments: Uint8Array[] } | undefined;

  constructor(role: Role) {
    this.#receivedReader = receivedReader(role);
    this.#sent = new FrameReader(role === "client" ? CLIENT_PREFACE_OCTETS : 0, isRewritten);
  }

  /**
   * Processes bytes from the peer before the runtime reads them. Returns them in parts. The runtime must read each part in a turn of its own:
   * if it reads a response and its end in one turn, it discards data for which no reader is attached yet.
   */
  receive(chunk: Buffer): Buffer[] {
    const parts: Uint8Array[][] = [[]];
    for (const piece of this.#receivedReader.read(chunk)) {
      if (isFrame(piece) && piece.type === SETTINGS) this.#settings(piece);
      else if (isFrame(piece)) parts.push([]);
      parts.at(-1)?.push(isFrame(piece) ? encodeFrame(piece) : piece);
    }
    return parts.filter((part) => part.length > 0).map((part) => Buffer.concat(part));
  }

  #settings({ flags, payload }: Frame): void {
    if ((flags & ACK) !== 0) return;
    const isSmall = hasSmallTable(payload);
    this.#unacknowledged.push(isSmall);
    if (isSmall) this.#rewriter.makeLiteral();
  }

  /** Returns the bytes to send instead of the runtime's. Throws RangeError if they are not valid HTTP/2. */
  send(chunk: Buffer): Buffer {
    const parts: Uint8Array[] = [];
    for (const piece of this.#sent.read(chunk)) {
      if (isFrame(piece)) parts.push(...this.#frame(piece));
      else parts.push(piece);
    }
    const [only] = parts;
    return parts.length === 1 && only === chunk ? chunk : Buffer.concat(parts);
  }

  #frame(frame: Frame): Buffer[] {
    if (frame.type === SETTINGS) {
      if ((frame.flags & ACK) !== 0 && this.#unacknowledged.shift() === true) this.#rewriter.announceEmptyTable();
      return [encodeFrame(frame)];
    }
    // The gateway does not use server push (RFC 9113 8.4).
    if (frame.type === PUSH_PROMISE) throw new RangeError("a PUSH_PROMISE is not expected");
    return this.#headers(frame);
  }

  #headers(frame: Frame): Buffer[] {
    if (frame.type === HEADERS) this.#incomplete = { first: frame, fragments: [fragmentOf(frame)] };
    else this.#incomplete?.fragments.push(frame.payload);
    if (this.#incomplete === undefined) throw new RangeError("a CONTINUATION frame without HEADERS");
    if ((frame.flags & END_HEADERS) === 0) return [];
    const { first, fragments } = this.#incomplete;
    this.#incomplete = undefined;
    return framesOf(first, this.#rewriter.rewrite(Buffer.concat(fragments)));
  }
}

function isFrame(piece: Piece): piece is Frame {
  return !(piece instanceof Uint8Array);
}

/** Reader of the peer's bytes. It parses SETTINGS and, from a server, frames that end a stream. */
function receivedReader(role: Role): FrameReader {
  const parses = ({ type, flags, octets }: FrameKind) => {
    if (octets > FRAME_OCTETS_MAX) return false;
    const isEnd = (type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0;
    return type === SETTINGS || (role === "client" && isEnd);
  };
  return new FrameReader(role === "server" ? CLIENT_PREFACE_OCTETS : 0, parses);
}

function isRewritten({ type }: FrameKind): boolean {
  return type === HEADERS || type === CONTINUATION || type === SETTINGS || type === PUSH_PROMISE;
}

/** The field block fragment of a HEADERS frame (RFC 9113 6.2), without padding and priority. */
function fragmentOf({ flags, payload }: Frame): Uint8Array {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & PRIORITY) === 0 ? 0 : PRIORITY_OCTETS);
  return payload.subarray(start, payload.byteLength - (isPadded ? payload.readUInt8(0) : 0));
}

/** A HEADERS frame without padding and priority, and CONTINUATION frames for the rest of the block. */
function framesOf({ flags, stream }: Frame, block: Uint8Array): Buffer[] {
  const frames: Buffer[] = [];
  const other = flags & ~(END_HEADERS | PADDED | PRIORITY);
  for (let at = 0; at === 0 || at < block.byteLength; at += FRAME_OCTETS_MAX) {
    const payload = Buffer.from(block.subarray(at, at + FRAME_OCTETS_MAX));
    const end = at + FRAME_OCTETS_MAX >= block.byteLength ? END_HEADERS : 0;
    frames.push(encodeFrame({ type: at === 0 ? HEADERS : CONTINUATION, flags: at === 0 ? other | end : end, stream, payload }));
  }
  return frames;
}
