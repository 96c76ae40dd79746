import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

/** The reason why a message of the push feed cannot be read. */
export type FrameFault = "too_large" | "undecodable";

/** One message of the push feed. It is either the bytes of the message, or the reason why the message cannot be read. */
export type FeedFrame = Uint8Array | FrameFault;

export interface FrameOptions {
  readonly messageBytesMax: number;
  /** The flag that marks the last frame of a stream (Connect: 2, gRPC-Web: 128). It is 0 for gRPC, which has no such frame. */
  readonly endFlag: number;
}

/**
 * Size of a frame header: one byte of flags and 4 bytes of length. gRPC calls a frame a "Length-Prefixed-Message", and Connect
 * calls it an "Enveloped-Message".
 */
const HEAD_BYTES = 5;
/**
 * Maximum length of a skipped message, as a multiple of `messageBytesMax`:
 *
 * - A message that is longer than `messageBytesMax`, but not longer than this maximum, is skipped.
 * - A message that is longer than this maximum ends the stream with an error. Its length is probably wrong.
 */
const SKIPPED_SIZES_MAX = 16;
const VALUE_FIELD = 2;

/**
 * Wraps each message of a stream in a `google.protobuf.Any`: the bytes of the message become the field `value`. A message that
 * is compressed or too large is replaced by an empty Any whose `type_url` is the reason (`FrameFault`).
 *
 * So connect-es can decode every message, and never buffers a message that is too large. Without wrapping, an undecodable
 * message would end the stream. After each reconnect, the same message would end the next stream.
 */
export function wrapMessages(options: FrameOptions) {
  return async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const splitter = new FrameSplitter(options);
    for await (const chunk of chunks) yield* splitter.take(chunk);
    splitter.end();
  };
}

/** Undoes `wrapMessages` for one message. Returns the bytes of the message, or the reason why it cannot be read. */
export function unwrap({ typeUrl, value }: Any): FeedFrame {
  return typeUrl === "too_large" || typeUrl === "undecodable" ? typeUrl : value;
}

class FrameSplitter {
  readonly #options: FrameOptions;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Number of bytes of the current message that have not arrived yet. */
  #bytesLeft = 0;
  #isSkipped = false;

  constructor(options: FrameOptions) {
    this.#options = options;
  }

  *take(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.byteLength) {
      const start = at;
      at += this.#bytesLeft > 0 ? Math.min(this.#bytesLeft, chunk.byteLength - at) : this.#takeHead(chunk.subarray(at));
      if (this.#bytesLeft > 0) {
        this.#bytesLeft -= at - start;
        if (!this.#isSkipped) yield chunk.subarray(start, at);
      } else if (this.#headBytes === HEAD_BYTES) yield this.#begin();
    }
  }

  end(): void {
    if (this.#bytesLeft === 0 && this.#headBytes === 0) return;
    throw new ConnectError("the stream ended within a message", Code.DataLoss);
  }

  /**
   * Copies bytes from the chunk until the header of the frame is complete or the chunk ends. Returns the number of copied
   * bytes.
   */
  #takeHead(chunk: Uint8Array): number {
    const bytes = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
    this.#head.set(bytes, this.#headBytes);
    this.#headBytes += bytes.byteLength;
    return bytes.byteLength;
  }

  /**
   * Called when a frame header is complete. Returns the bytes that precede the message in the output. If the message is
   * skipped, returns the bytes that replace it.
   */
  #begin(): Uint8Array {
    const [flags, length] = [this.#head.readUInt8(0), this.#head.readUInt32BE(1)];
    const { messageBytesMax, endFlag } = this.#options;
    this.#headBytes = 0;
    this.#bytesLeft = length;
    this.#isSkipped = false;
    if ((flags & endFlag) !== 0) return Uint8Array.from(this.#head);
    if (length > messageBytesMax * SKIPPED_SIZES_MAX) {
      throw new ConnectError(`a message of ${length} bytes is too large to skip`, Code.DataLoss);
    }
    const fault = length > messageBytesMax ? "too_large" : flags === 0 ? undefined : "undecodable";
    this.#isSkipped = fault !== undefined;
    return fault === undefined ? wrapped(length) : faulty(fault);
  }
}

/**
 * Returns the bytes that precede a message of `length` bytes in its Any: the frame header, and the tag and length of the field
 * `value`.
 */
function wrapped(length: number): Uint8Array {
  const tag = new BinaryWriter().tag(VALUE_FIELD, WireType.LengthDelimited).uint32(length).finish();
  return Buffer.concat([head(tag.byteLength + length), tag]);
}

function faulty(fault: FrameFault): Uint8Array {
  const message = toBinary(AnySchema, { $typeName: AnySchema.typeName, typeUrl: fault, value: new Uint8Array(0) });
  return Buffer.concat([head(message.byteLength), message]);
}

function head(length: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}
