import { FRAME_HEADER_BYTES } from "./frame.ts";
import { type BodySource, BodyTooLarge, BodyTooScattered, isScattered } from "./http.ts";
import { decodeFrameHeader, incompleteBody, incompleteFrame, unpackMessage } from "./request-frame.ts";
import type { ReadOptions } from "./request-message.ts";

/**
 * Splits the body of a request into messages. The reader reads chunks only until the requested message is complete. So it holds
 * at most one message and the rest of the last chunk.
 */
export class FrameReader {
  readonly #source: BodySource;
  readonly #options: ReadOptions;
  readonly #queue = new ByteQueue();
  /** Number of chunks read for the current message. A message in too many chunks is refused. */
  #pieces = 0;

  constructor(source: BodySource, options: ReadOptions) {
    this.#source = source;
    this.#options = options;
  }

  /**
   * Returns the next message, decompressed. Returns `undefined` after the last message. Throws ConnectError, or the error that
   * `options.tooLarge` creates.
   *
   * Call it again only after the promise has settled.
   */
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

  /** Reads until the queue contains at least `bytes` bytes, and returns true. Returns false if the body ends earlier. */
  async #has(bytes: number): Promise<boolean> {
    while (this.#queue.byteLength < bytes) {
      const chunk = await this.#source.read().catch((cause) => {
        throw incompleteBody(cause);
      });
      if (chunk === undefined) return false;
      this.#queue.append(chunk);
      if (isScattered(++this.#pieces, this.#queue.byteLength)) throw incompleteBody(new BodyTooScattered());
    }
    return true;
  }
}

/** A queue of received bytes. It takes memory only for received bytes, not for the length that a frame header announces. */
class ByteQueue {
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;
  #to = 0;

  get byteLength(): number {
    return this.#to - this.#from;
  }

  append(chunk: Uint8Array): void {
    if (this.byteLength === 0) {
      // An empty queue uses the chunk without a copy. A chunk usually contains only complete messages, so most bytes are not
      // copied.
      this.#bytes = chunk;
      this.#from = 0;
      this.#to = chunk.byteLength;
      return;
    }
    if (this.#to + chunk.byteLength > this.#bytes.byteLength) this.#grow(chunk.byteLength);
    this.#bytes.set(chunk, this.#to);
    this.#to += chunk.byteLength;
  }

  /** Removes and returns the first `bytes` bytes. The result is a view. The queue never overwrites the returned bytes. */
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
