import { constants, type ServerHttp2Stream } from "node:http2";

/**
 * The answers of an HTTP/2 server that are under way. A client may be slow; but where more waits for it than the runtime cares to hold, or
 * the answer is whole, and from one look to the next it takes nothing of it (and, if that is what is left, does not end its request), the
 * stream is reset, and with it goes all that was queued for it.
 */
export class H2Stalls {
  /** What each had left at the last look; `undefined` where it kept nobody waiting. */
  readonly #answers = new Map<ServerHttp2Stream, number | undefined>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(stallTimeoutMs: number) {
    this.#timer = setInterval(() => this.#look(), stallTimeoutMs).unref();
  }

  get size(): number {
    return this.#answers.size;
  }

  /** To be called once for each stream, when its answer begins. */
  watch(stream: ServerHttp2Stream): void {
    if (stream.destroyed) return;
    this.#answers.set(stream, undefined);
    stream.once("close", () => this.#answers.delete(stream));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const [stream, before] of this.#answers) {
      const left = stream.writableEnded || stream.writableNeedDrain ? stream.writableLength : undefined;
      if (left !== undefined && left === before) stream.close(constants.NGHTTP2_CANCEL);
      else this.#answers.set(stream, left);
    }
  }
}
