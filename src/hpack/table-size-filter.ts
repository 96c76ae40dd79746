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

/** RFC 9113 6.5.2: what every table begins with. Bun's encoder never leaves it. */
export const TABLE_OCTETS = 4096;
const SETTINGS_HEADER_TABLE_SIZE = 1;
const SETTING_OCTETS = 6;
/** RFC 9113 4.2: the least that every endpoint takes in a frame; more than any settings need. */
const FRAME_OCTETS_MAX = 16_384;
const CLIENT_PREFACE_OCTETS = 24;

const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_OCTETS = 5;

/** Whether settings (RFC 9113 6.5.1) ask for a smaller dynamic table than the encoder's, if only for a moment. */
function hasSmallTable(settings: Buffer): boolean {
  for (let at = 0; at + SETTING_OCTETS <= settings.byteLength; at += SETTING_OCTETS) {
    if (settings.readUInt16BE(at) !== SETTINGS_HEADER_TABLE_SIZE) continue;
    if (settings.readUInt32BE(at + 2) < TABLE_OCTETS) return true;
  }
  return false;
}

/** Whether a client's first bytes (RFC 9113 3.4) may be of a client with a small table: unless all of its settings say otherwise. */
export function mayHaveSmallTable(opening: Buffer): boolean {
  const [settings] = received("server").read(opening).filter(isFrame);
  return settings === undefined || hasSmallTable(settings.payload);
}

/**
 * Makes a connection of `node:http2` keep to the peer's SETTINGS_HEADER_TABLE_SIZE. The runtime ignores it (Bun 1.4.5,
 * https://github.com/oven-sh/bun/issues/19152), so a peer with a smaller table cannot read its header blocks. From such settings on, the
 * blocks that are sent use no dynamic table; the first one after their acknowledgement says so (RFC 7541 4.2).
 */
export class TableSizeFilter {
  readonly #received: FrameReader;
  readonly #sent: FrameReader;
  readonly #rewriter = new HeaderRewriter(TABLE_OCTETS);
  /** For each SETTINGS frame that is not acknowledged: whether it has a small table. */
  readonly #unacknowledged: boolean[] = [];
  /** A header block that goes on in CONTINUATION frames. */
  #begun: { readonly first: Frame; readonly fragments: Uint8Array[] } | undefined;

  constructor(role: Role) {
    this.#received = received(role);
    this.#sent = new FrameReader(role === "client" ? CLIENT_PREFACE_OCTETS : 0, isLookedAt);
  }

  /**
   * Takes note of what the peer sends, before the runtime reads it. Gives it in parts, each of which the runtime is to read in a turn of
   * its own: if it reads an answer and its end in one turn, it discards what nobody has begun to read.
   */
  receive(chunk: Buffer): Buffer[] {
    const parts: Uint8Array[][] = [[]];
    for (const piece of this.#received.read(chunk)) {
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

  /** What is to be sent in place of what the runtime sends. Throws RangeError if that is not HTTP/2. */
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
    // The gateway pushes nothing (RFC 9113 8.4).
    if (frame.type === PUSH_PROMISE) throw new RangeError("a PUSH_PROMISE is not expected");
    return this.#headers(frame);
  }

  #headers(frame: Frame): Buffer[] {
    if (frame.type === HEADERS) this.#begun = { first: frame, fragments: [fragmentOf(frame)] };
    else this.#begun?.fragments.push(frame.payload);
    if (this.#begun === undefined) throw new RangeError("a CONTINUATION belongs to nothing");
    if ((frame.flags & END_HEADERS) === 0) return [];
    const { first, fragments } = this.#begun;
    this.#begun = undefined;
    return framesOf(first, this.#rewriter.rewrite(Buffer.concat(fragments)));
  }
}

function isFrame(piece: Piece): piece is Frame {
  return !(piece instanceof Uint8Array);
}

/** Of what the peer sends, its settings are looked at; and the ends of a server's answers. */
function received(role: Role): FrameReader {
  const looksAt = ({ type, flags, octets }: FrameKind) => {
    if (octets > FRAME_OCTETS_MAX) return false;
    const isEnd = (type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0;
    return type === SETTINGS || (role === "client" && isEnd);
  };
  return new FrameReader(role === "server" ? CLIENT_PREFACE_OCTETS : 0, looksAt);
}

function isLookedAt({ type }: FrameKind): boolean {
  return type === HEADERS || type === CONTINUATION || type === SETTINGS || type === PUSH_PROMISE;
}

/** RFC 9113 6.2: the field block fragment, without padding and priority. */
function fragmentOf({ flags, payload }: Frame): Uint8Array {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & PRIORITY) === 0 ? 0 : PRIORITY_OCTETS);
  return payload.subarray(start, payload.byteLength - (isPadded ? payload.readUInt8(0) : 0));
}

/** HEADERS, without padding and priority, and as many CONTINUATIONs as it takes. */
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
