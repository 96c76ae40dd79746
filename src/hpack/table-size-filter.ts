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
} from "./h2-frame-reader.ts";
import { HeaderRewriter } from "./header-rewriter.ts";

export type Role = "client" | "server";

/** Initial size of every HPACK dynamic table, in octets (RFC 9113 6.5.2). Bun's encoder always uses this size. */
export const TABLE_OCTETS = 4096;
const SETTINGS_HEADER_TABLE_SIZE = 1;
const SETTING_OCTETS = 6;
/**
 * The largest frame payload that every HTTP/2 endpoint must accept, in octets (RFC 9113 4.2). The filter does not parse received
 * frames with a larger payload. In practice, no SETTINGS frame is larger.
 */
const FRAME_OCTETS_MAX = 16_384;
const CLIENT_PREFACE_OCTETS = 24;

const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_OCTETS = 5;

/** Returns true if the payload of a SETTINGS frame (RFC 9113 6.5.1) sets a header table size below `TABLE_OCTETS`. */
function hasSmallTable(settings: Buffer): boolean {
  for (let at = 0; at + SETTING_OCTETS <= settings.byteLength; at += SETTING_OCTETS) {
    if (settings.readUInt16BE(at) !== SETTINGS_HEADER_TABLE_SIZE) continue;
    if (settings.readUInt32BE(at + 2) < TABLE_OCTETS) return true;
  }
  return false;
}

/**
 * Returns true if the client's first SETTINGS frame (RFC 9113 3.4) sets a header table size below `TABLE_OCTETS`. Also returns
 * true if `firstBytes` do not contain this frame completely.
 */
export function mayHaveSmallTable(firstBytes: Buffer): boolean {
  const [settings] = receivedReader("server").read(firstBytes).filter(isFrame);
  return settings === undefined || hasSmallTable(settings.payload);
}

/**
 * Applies the peer's SETTINGS_HEADER_TABLE_SIZE to a connection of `node:http2`. Bun 1.4.5 ignores this setting
 * (https://github.com/oven-sh/bun/issues/19152). So a peer with a smaller table cannot decode Bun's header blocks.
 *
 * - After the peer sets a smaller size, the filter rewrites header blocks so that they do not use the dynamic table.
 * - The first header block after the acknowledgement of the smaller size starts with a size update (RFC 7541 4.2).
 */
export class TableSizeFilter {
  readonly #receivedReader: FrameReader;
  readonly #sent: FrameReader;
  readonly #rewriter = new HeaderRewriter(TABLE_OCTETS);
  /**
   * One entry for each SETTINGS frame of the peer that is not acknowledged yet, oldest first. An entry is true if the frame
   * sets a small table (`hasSmallTable`).
   */
  readonly #unacknowledged: boolean[] = [];
  /** The incomplete header block that is being sent, if any: its HEADERS frame and its fragments so far. */
  #incomplete: { readonly first: Frame; readonly fragments: Uint8Array[] } | undefined;

  constructor(role: Role) {
    this.#receivedReader = receivedReader(role);
    this.#sent = new FrameReader(role === "client" ? CLIENT_PREFACE_OCTETS : 0, isRewritten);
  }

  /**
   * Splits bytes from the peer into parts. Deliver each part to the runtime in a separate turn of the event loop. Otherwise, a
   * response and its end can arrive in one turn. The runtime then discards data that the application has not started to read.
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

  /** Rewrites a chunk that the runtime sends. Throws RangeError if the chunk is not valid HTTP/2. */
  send(chunk: Buffer): Buffer {
    const parts: Uint8Array[] = [];
    for (const piece of this.#sent.read(chunk)) {
      if (isFrame(piece)) parts.push(...this.#frame(piece));
      else parts.push(piece);
    }
    return Buffer.concat(parts);
  }

  #frame(frame: Frame): Buffer[] {
    if (frame.type === SETTINGS) {
      if ((frame.flags & ACK) !== 0 && this.#unacknowledged.shift() === true) this.#rewriter.announceEmptyTable();
      return [encodeFrame(frame)];
    }
    // The gateway does not use server push (RFC 9113 8.4), so it never sends this frame.
    if (frame.type === PUSH_PROMISE) throw new RangeError("unexpected PUSH_PROMISE frame");
    return this.#headers(frame);
  }

  #headers(frame: Frame): Buffer[] {
    if (frame.type === HEADERS) this.#incomplete = { first: frame, fragments: [fragmentOf(frame)] };
    else this.#incomplete?.fragments.push(frame.payload);
    if (this.#incomplete === undefined) throw new RangeError("CONTINUATION frame without a HEADERS frame");
    if ((frame.flags & END_HEADERS) === 0) return [];
    const { first, fragments } = this.#incomplete;
    this.#incomplete = undefined;
    return framesOf(first, this.#rewriter.rewrite(Buffer.concat(fragments)));
  }
}

function isFrame(piece: Piece): piece is Frame {
  return !(piece instanceof Uint8Array);
}

/**
 * Creates the reader for received bytes. It parses SETTINGS frames. If the peer is a server, it also parses HEADERS and DATA
 * frames that end a stream.
 */
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

/** Returns the header block fragment of a HEADERS frame (RFC 9113 6.2), without padding and priority fields. */
function fragmentOf({ flags, payload }: Frame): Uint8Array {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & PRIORITY) === 0 ? 0 : PRIORITY_OCTETS);
  return payload.subarray(start, payload.byteLength - (isPadded ? payload.readUInt8(0) : 0));
}

/** Splits a header block into one HEADERS frame and, if it exceeds `FRAME_OCTETS_MAX`, CONTINUATION frames. */
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
