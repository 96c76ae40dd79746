import { constants, type ServerHttp2Stream } from "node:http2";
import { LiveSet } from "../../core/live-set.ts";

interface OpenResponse {
  readonly stream: ServerHttp2Stream;
  /**
   * Number of bytes that were queued for the client at the last check. `undefined` if the response did not wait for the client
   * (see `H2Stalls`).
   */
  queuedBytes: number | undefined;
}

/**
 * Resets HTTP/2 streams whose client accepts no data. Checks all open responses every `stallTimeoutMs`.
 *
 * - A response waits for the client in two cases: the application has written it completely, or its queue has reached the
 *   high-water mark of the stream.
 * - If a response waits at two consecutive checks and no byte was sent between them, the stream is reset and its queue is
 *   freed.
 * - A stream is also reset if the client has received the complete response but does not end its request.
 */
export class H2Stalls {
  readonly #responses = new LiveSet<OpenResponse>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(stallTimeoutMs: number) {
    this.#timer = setInterval(() => this.#check(), stallTimeoutMs).unref();
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
