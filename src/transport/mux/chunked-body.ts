/** The bytes break the message format of RFC 9112. */
export class FramingError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "FramingError";
  }
}

const LF = 0x0a;
/** A chunk-size line with its extensions, or a trailer field. */
const LINE_BYTES_MAX = 8 * 1024;
const TRAILER_BYTES_MAX = 16 * 1024;
/** RFC 9112 7.1: hexadecimal digits, then chunk extensions. */
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?\r$/;
const CRLF_BYTES = 2;

/**
 * A request's body may have this many chunks, and one more per CHUNK_BYTES of data. Parsing a chunk takes about 150 ns, however short it is.
 * The RPC layer refuses a body with far fewer pieces (rpc/limits.ts).
 */
const CHUNKS_MIN = 4096;
const CHUNK_BYTES = 64;

/** Parses the framing of a chunked body (RFC 9112 7.1) that arrives in pieces. */
export class ChunkedBody {
  /** `trailers`: the last chunk has been reached. `scattered`: the body has too many chunks. */
  state: "chunks" | "trailers" | "ended" | "scattered" = "chunks";
  /** How many more chunks the body may have. */
  #chunksLeft: number;
  /** Bytes of the current chunk that are still to come, with the CRLF after its data. */
  #left = 0;
  #trailerBytes = 0;

  /** A response has any number of chunks: a stream has one per event. */
  constructor(kind: "request" | "response") {
    this.#chunksLeft = kind === "request" ? CHUNKS_MIN : Number.POSITIVE_INFINITY;
  }

  /**
   * Parses from `at`, and returns where it stopped: at the end of the bytes, at the start of an incomplete line, before the line of the
   * last chunk, before a chunk that is one too many, or after the body. Throws FramingError.
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

  /** As `follow`, in state `trailers`: parses the line of the last chunk, which starts at `at`, and the trailer section. */
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

/** The line without its LF. `undefined` if it is incomplete. */
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
