import { constants, type ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";

interface OpenResponse {
  readonly stream: ServerHttp2Stream;
  /** Number of bytes that were queued at the last check. `undefined` if the response was not waiting for the client. */
  queuedBytes: number | undefined;
}

/**
 * Resets streams of an HTTP/2 server whose client accepts no data. Responses are checked at an interval of `stallTimeoutMs`.
 *
 * - A response waits for the client if all its bytes are written or if its queue exceeds the high-water mark.
 * - If a response waits at two checks and no byte was sent between them, the stream is reset and its queue is freed.
 * - The stream is also reset if the client has received the complete response but does not end its request.
 */
export class H2Stalls {
  readonly #responses = new LiveSet<OpenResponse>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(stallTimeoutMs: number) {
    this.#timer = setInterval(() => this.#check(), stallTimeoutMs).unref();
  }

  get size(): number {
    return this.#responses.size;
  }

  /** Must be called once for each stream, before its response starts. */
  watch(stream: ServerHttp2Stream): void {
    if (stream.destroyed) return;
    const held = this.#responses.add({ stream, queuedBytes: undefined });
    stream.once("close", () => this.#responses.remove(held));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    for (const response of this.#responses) {
      const { stream } = response;
      const queuedBytes = stream.writableEnded || stream.writableNeedDrain ? stream.writableLength : undefined;
      if (queuedBytes !== undefined && queuedBytes === response.queuedBytes) stream.close(constants.NGHTTP2_CANCEL);
      else response.queuedBytes = queuedBytes;
    }
  }
}
