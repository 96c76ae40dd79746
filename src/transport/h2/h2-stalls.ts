import { constants, type ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";

interface OpenResponse {
  readonly stream: ServerHttp2Stream;
  /** Bytes queued at the last check. `undefined` if the response did not wait for the client. */
  queuedBytes: number | undefined;
}

/**
 * The open responses of an HTTP/2 server. A response waits for its client if it is complete, or if its queue exceeds the high-water mark.
 * If it waits at two checks and no byte was sent in between, the stream is reset and its queue is freed. This includes a client that has
 * received everything but does not end its request.
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
