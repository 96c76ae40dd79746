/** Thrown if bytes violate the message format of RFC 9112. */
export class FramingError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "FramingError";
  }
}

const LF = 0x0a;
/** Maximum length of a line, in bytes. A line is either the size of a chunk with its extensions, or one trailer field. */
const LINE_BYTES_MAX = 8 * 1024;
/** Maximum length of the trailer section, in bytes. */
const TRAILER_BYTES_MAX = 16 * 1024;
/** Matches the size line of a chunk: hexadecimal digits, then optional chunk extensions (RFC 9112 7.1). */
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?\r$/;
/** Length of the CRLF that follows the data of a chunk. */
const CRLF_BYTES = 2;

/**
 * A request body may have `CHUNKS_MIN` chunks, plus one chunk per `CHUNK_BYTES` bytes of data. The number is limited, because
 * parsing a chunk takes about 150 ns, even if the chunk is short. The RPC layer has a stricter limit (`BODY_PIECES_MAX`).
 */
const CHUNKS_MIN = 4096;
const CHUNK_BYTES = 64;

/** Finds the chunks and the end of a chunked body (RFC 9112 7.1). The body may arrive in several pieces. */
export class ChunkedBody {
  /**
   * The part of the body that is parsed next. `trailers` means that the last chunk (size 0) was found. `scattered` means that
   * the body has too many chunks, so parsing has stopped.
   */
  state: "chunks" | "trailers" | "ended" | "scattered" = "chunks";
  /** Number of chunks that the body may still have. */
  #chunksLeft: number;
  /** Number of bytes of the current chunk that are not parsed yet, including the CRLF after its data. */
  #left = 0;
  #trailerBytes = 0;

  /**
   * The number of chunks is limited for `request`. It is not limited for `response`, because an event stream has one chunk per
   * event.
   */
  constructor(kind: "request" | "response") {
    this.#chunksLeft = kind === "request" ? CHUNKS_MIN : Number.POSITIVE_INFINITY;
  }

  /**
   * Parses chunks from the position `at`. Throws FramingError if the bytes are invalid. Returns the position where parsing
   * stopped, which is one of these:
   *
   * - the end of `bytes`
   * - the start of an incomplete line
   * - the start of the line of the last chunk
   * - the start of the first chunk over the maximum number
   */
  follow(bytes: Buffer, at: number): number {
    let from = at;
    while (this.state === "chunks") {
      const taken = Math.min(this.#left, bytes.byteLength - from);
      this.#left -= taken;
      from += taken;
      const line = this.#left > 0 ? undefined : lineAt(bytes, from);
      if (line === undefined) return from;
      const size = sizeOf(line);
      this.#chunksLeft += size / CHUNK_BYTES - 1;
      if (size === 0) this.state = "trailers";
      else if (this.#chunksLeft < 0) this.state = "scattered";
      else {
        this.#left = size + CRLF_BYTES;
        from += line.length + 1;
      }
    }
    return from;
  }

  /**
   * Parses the line of the last chunk, which starts at `at`, and then the trailer section. Returns the position after the
   * parsed bytes. Throws FramingError if the bytes are invalid.
   */
  skipTrailers(bytes: Buffer, at: number): number {
    let from = at;
    while (this.state === "trailers") {
      const line = lineAt(bytes, from);
      if (line === undefined) return from;
      from += line.length + 1;
      this.#trailerBytes += line.length + 1;
      if (this.#trailerBytes > TRAILER_BYTES_MAX) throw new FramingError("the trailer section is too long");
      if (line === "\r") this.state = "ended";
      else if (!line.endsWith("\r")) throw new FramingError("a line of the trailer section does not end with CRLF");
    }
    return from;
  }
}

/** Returns the line at `at`, without its LF. Returns `undefined` if the line is incomplete. */
function lineAt(bytes: Buffer, at: number): string | undefined {
  const end = bytes.indexOf(LF, at);
  if ((end < 0 ? bytes.byteLength : end) - at > LINE_BYTES_MAX) throw new FramingError("a line is too long");
  return end < 0 ? undefined : bytes.toString("latin1", at, end);
}

function sizeOf(line: string): number {
  const [, digits] = SIZE_LINE.exec(line) ?? [];
  if (digits === undefined) throw new FramingError("a chunk has no size");
  return Number.parseInt(digits, 16);
}
