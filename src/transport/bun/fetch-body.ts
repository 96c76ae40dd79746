import type { BodySink, BodyWriter } from "../../rpc/http.ts";

/**
 * Idle timeout of a connection, in seconds. It ends no call too early, because calls without a stream end or time out much earlier.
 * Streams set their own timeout (`allowIdle`).
 */
export const IDLE_TIMEOUT_SECONDS = 150;
/** The value that disables Bun's idle timeout. */
const NO_TIMEOUT = 0;
/**
 * Idle timeout of a connection that carries a stream with heartbeats, in seconds. Each write restarts the timeout. Bun allows
 * at most 255 s, in steps of 4 s.
 */
const STREAM_TIMEOUT_SECONDS = 240;

/** The part of Bun's server that sets an idle timeout. `timeout` sets it for the connection of `request`. */
export interface ConnectionTimeouts {
  timeout(request: Request, seconds: number): void;
}

/**
 * Extends the idle timeout of a connection for a stream. `idleMsMax` is the maximum time between two writes.
 *
 * - If `idleMsMax` is at most half of `STREAM_TIMEOUT_SECONDS`, sets `STREAM_TIMEOUT_SECONDS` as the timeout and returns
 *   `undefined`. The caller can then release `request`.
 * - If `idleMsMax` is longer or unknown, disables the timeout and returns a function that restores it.
 *
 * Call the returned function at the end of the stream. Otherwise a client that does not read keeps the queue of its connection
 * in memory without a time limit.
 */
export function allowIdle(
  request: Request,
  timeouts: ConnectionTimeouts,
  idleMsMax: number | undefined,
): (() => void) | undefined {
  const hasHeartbeats = idleMsMax !== undefined && idleMsMax * 2 <= STREAM_TIMEOUT_SECONDS * 1000;
  timeouts.timeout(request, hasHeartbeats ? STREAM_TIMEOUT_SECONDS : NO_TIMEOUT);
  return hasHeartbeats ? undefined : () => timeouts.timeout(request, IDLE_TIMEOUT_SECONDS);
}

/**
 * The body of a streaming response on `Bun.serve`. It is the source of a direct stream (Bun, "Direct ReadableStream"). A direct
 * stream writes to the connection without a queue of objects. This object is also the `BodySink`, because one object for both roles
 * saves memory for each idle stream.
 *
 * - The runtime calls `pull` once, when the response starts. If the client has already disconnected, the runtime calls `cancel`
 *   instead.
 * - At the end of each turn of the event loop, the runtime sends all chunks of this turn together. It sends the headers with the
 *   first chunk.
 */
export class FetchBody implements BodySink, Bun.DirectUnderlyingSource<Uint8Array> {
  readonly type = "direct";
  readonly #writer: BodyWriter;
  readonly #onClosed: (() => void) | undefined;
  #controller: ReadableStreamDirectController | undefined;
  #open = true;
  /** Number of bytes that were written since the socket started to apply backpressure. 0 if there is no backpressure. */
  #queuedBytes = 0;

  constructor(writer: BodyWriter, onClosed?: () => void) {
    this.#writer = writer;
    this.#onClosed = onClosed;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get needsDrain(): boolean {
    return this.#queuedBytes > 0;
  }

  /** The runtime calls this method. Because it returns no promise, the runtime leaves the stream open. */
  pull(controller: ReadableStreamDirectController): void {
    this.#controller = controller;
    this.#writer.bodyOpened(this);
  }

  /** The runtime calls this method when the client disconnects. */
  cancel(): void {
    this.#finish();
  }

  write(bytes: Uint8Array): void {
    if (!this.#open || this.#controller === undefined || bytes.byteLength === 0) return;
    const written = writeTo(this.#controller, bytes);
    if (written === 0) this.#finish();
    else if (this.#queuedBytes > 0) this.#queuedBytes += bytes.byteLength;
    else if (typeof written !== "number") this.#waitFor(written, bytes.byteLength);
  }

  close(): void {
    if (!this.#open) return;
    this.#controller?.close();
    this.#finish();
  }

  /**
   * Records that the runtime has queued a chunk. `drained` settles when all queued bytes are sent, or when the client
   * disconnects.
   */
  #waitFor(drained: PromiseLike<unknown>, byteLength: number): void {
    this.#queuedBytes = byteLength;
    const settled = () => {
      this.#queuedBytes = 0;
      if (this.#open) this.#writer.bodyDrained();
    };
    drained.then(settled, settled);
  }

  #finish(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queuedBytes = 0;
    this.#controller = undefined;
    this.#onClosed?.();
    this.#writer.bodyClosed();
  }
}

/** Writes to the controller. Returns 0 if the write throws, which means that the connection is closed. */
function writeTo(controller: ReadableStreamDirectController, bytes: Uint8Array) {
  try {
    return controller.write(bytes);
  } catch {
    return 0;
  }
}
