import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

/** Why a message cannot be given on. */
export type FrameFault = "too_large" | "undecodable";

/** A message of a feed, as its bytes; or what is wrong with it. */
export type FeedFrame = Uint8Array | FrameFault;

export interface FrameOptions {
  readonly messageBytesMax: number;
  /** The flag of a frame that is the stream's end and no message (Connect: 2, gRPC-Web: 128); 0 where the protocol has none. */
  readonly endFlag: number;
}

/** Flags, and the length of what follows: gRPC "Length-Prefixed-Message", Connect "Enveloped-Message". */
const HEAD_BYTES = 5;
/** A longer message than this many times the largest is no message: the frames are out of step, and the stream ends. */
const SKIPPED_SIZES_MAX = 16;
const VALUE_FIELD = 2;

/**
 * Puts each message of a stream into a `google.protobuf.Any`, as its value, and leaves one that is compressed or too large out: its fault
 * is the type. connect-es then decodes every frame, whatever its message is worth, and holds none that is too large. Otherwise one such
 * message ends the stream, at each reconnect again.
 */
export function wrapMessages(options: FrameOptions) {
  return async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const splitter = new FrameSplitter(options);
    for await (const chunk of chunks) yield* splitter.take(chunk);
    splitter.end();
  };
}

/** What `wrapMessages` put into an Any. */
export function unwrap({ typeUrl, value }: Any): FeedFrame {
  return typeUrl === "too_large" || typeUrl === "undecodable" ? typeUrl : value;
}

class FrameSplitter {
  readonly #options: FrameOptions;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Of the message under way. */
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

  /** Gives how many bytes of the chunk belong to the head. */
  #takeHead(chunk: Uint8Array): number {
    const bytes = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
    this.#head.set(bytes, this.#headBytes);
    this.#headBytes += bytes.byteLength;
    return bytes.byteLength;
  }

  /** Gives what stands in front of the message's bytes, or in their place. */
  #begin(): Uint8Array {
    const [flags, length] = [this.#head.readUInt8(0), this.#head.readUInt32BE(1)];
    const { messageBytesMax, endFlag } = this.#options;
    this.#headBytes = 0;
    this.#bytesLeft = length;
    this.#isSkipped = false;
    if ((flags & endFlag) !== 0) return Uint8Array.from(this.#head);
    if (length > messageBytesMax * SKIPPED_SIZES_MAX) {
      throw new ConnectError(`a message of ${length} bytes is too large to step over`, Code.DataLoss);
    }
    const fault = length > messageBytesMax ? "too_large" : flags === 0 ? undefined : "undecodable";
    this.#isSkipped = fault !== undefined;
    return fault === undefined ? wrapped(length) : faulty(fault);
  }
}

/** The heads of a frame and of an Any whose value is so long. */
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
