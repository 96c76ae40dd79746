import { Code, ConnectError } from "@connectrpc/connect";
import { joinBytes } from "./bytes.ts";

/** One message of a stream. Specified in Connect, "Streaming-RPC", and in gRPC, "Length-Prefixed-Message". */
export interface StreamEnvelope {
  /** The first byte. The meaning of its bits depends on the protocol. */
  readonly flags: number;
  readonly data: Uint8Array;
}

const HEAD_BYTES = 5;

/** Splits the bytes of a stream into messages. A message has one byte of flags, a 32-bit big-endian length, and the data. */
export class EnvelopeDecoder {
  readonly #dataBytesMax: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** Decoding continues when this number of bytes is buffered. Until then, chunks are collected, but not joined. */
  #needed = HEAD_BYTES;

  constructor(dataBytesMax: number) {
    this.#dataBytesMax = dataBytesMax;
  }

  /** Yields the messages that the chunk completes. Throws `ConnectError` if a message is larger than the maximum. */
  *decode(chunk: Uint8Array): Generator<StreamEnvelope, void, undefined> {
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    while (this.#size >= this.#needed) {
      const bytes = this.#joined();
      const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
      const end = HEAD_BYTES + head.getUint32(1);
      if (end - HEAD_BYTES > this.#dataBytesMax) throw new ConnectError("a message is too large", Code.ResourceExhausted);
      this.#needed = end;
      if (this.#size < end) return;
      this.#keep(bytes.subarray(end));
      yield { flags: head.getUint8(0), data: bytes.subarray(HEAD_BYTES, end) };
    }
  }

  #joined(): Uint8Array {
    const joined = joinBytes(this.#chunks, this.#size);
    this.#chunks = [joined];
    return joined;
  }

  #keep(rest: Uint8Array): void {
    this.#chunks = [rest];
    this.#size = rest.byteLength;
    this.#needed = HEAD_BYTES;
  }
}
