import { FRAME_HEADER_BYTES } from "./frame.ts";
import { type BodySource, BodyTooLarge, BodyTooScattered, isScattered } from "./http.ts";
import { bodyBrokeOff, decodeFrameHeader, incompleteFrame, unpackMessage } from "./request-frame.ts";
import type { ReadOptions } from "./request-message.ts";

/**
 * Splits the body of a request into its messages, however the network cut it. It reads when a message is asked for, and no further than
 * that message needs: what it holds is at most one message and the chunk in which that ended.
 */
export class FrameReader {
  readonly #source: BodySource;
  readonly #options: ReadOptions;
  readonly #queue = new ByteQueue();
  /** In which the message came that is being read. */
  #pieces = 0;

  constructor(source: BodySource, options: ReadOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** The next message, unpacked; `undefined` after the last. Throws ConnectError, or what `tooLarge` gives. One call at a time. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      return await this.#next();
    } catch (error) {
      throw error instanceof BodyTooLarge ? this.#options.tooLarge(error.limitBytes) : error;
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    this.#pieces = 0;
    if (!(await this.#has(1))) return undefined;
    const header = decodeFrameHeader(await this.#take(FRAME_HEADER_BYTES), this.#options.bytesMax);
    return unpackMessage(await this.#take(header.messageBytes), header.compressed, this.#options);
  }

  async #take(bytes: number): Promise<Uint8Array> {
    if (!(await this.#has(bytes))) throw incompleteFrame();
    return this.#queue.take(bytes);
  }

  /** Reads until so many bytes are there, or the body ends. */
  async #has(bytes: number): Promise<boolean> {
    while (this.#queue.byteLength < bytes) {
      const chunk = await this.#source.read().catch((cause) => {
        throw bodyBrokeOff(cause);
      });
      if (chunk === undefined) return false;
      this.#queue.append(chunk);
      if (isScattered(++this.#pieces, this.#queue.byteLength)) throw bodyBrokeOff(new BodyTooScattered());
    }
    return true;
  }
}

/** Bytes that have come and have not been taken. Grows with what came, never with what a frame merely announces. */
class ByteQueue {
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;
  #to = 0;

  get byteLength(): number {
    return this.#to - this.#from;
  }

  append(chunk: Uint8Array): void {
    if (this.byteLength === 0) {
      // The commonest case by far: a chunk that holds whole messages is not copied.
      this.#bytes = chunk;
      this.#from = 0;
      this.#to = chunk.byteLength;
      return;
    }
    if (this.#to + chunk.byteLength > this.#bytes.byteLength) this.#grow(chunk.byteLength);
    this.#bytes.set(chunk, this.#to);
    this.#to += chunk.byteLength;
  }

  /** A view that stays as it is: bytes that have been taken are never written over. */
  take(bytes: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#from, this.#from + bytes);
    this.#from += bytes;
    return taken;
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(this.byteLength + bytes, 2 * this.byteLength));
    grown.set(this.#bytes.subarray(this.#from, this.#to));
    this.#to = this.byteLength;
    this.#from = 0;
    this.#bytes = grown;
  }
}
