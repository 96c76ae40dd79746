import { constants, type ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";

interface Answer {
  readonly stream: ServerHttp2Stream;
  /** What was left at the last look; `undefined` if nobody waited for the client. */
  left: number | undefined;
}

/**
 * The answers of an HTTP/2 server that are under way. A client may be slow; but where more waits for it than the runtime cares to hold, or
 * the answer is whole, and from one look to the next it takes nothing of it (and, if that is what is left, does not end its request), the
 * stream is reset, and with it goes all that was queued for it.
 */
export class H2Stalls {
  readonly #answers = new LiveSet<Answer>();
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
    const held = this.#answers.add({ stream, left: undefined });
    stream.once("close", () => this.#answers.remove(held));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const answer of this.#answers) {
      const { stream } = answer;
      const left = stream.writableEnded || stream.writableNeedDrain ? stream.writableLength : undefined;
      if (left !== undefined && left === answer.left) stream.close(constants.NGHTTP2_CANCEL);
      else answer.left = left;
    }
  }
}
