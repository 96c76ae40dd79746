import type { BodySink, BodyWriter } from "../../rpc/http.ts";

/** Idle connections are closed after this time. Streams are exempt, and calls end or time out much sooner. */
export const IDLE_TIMEOUT_SECONDS = 150;
const NO_TIMEOUT = 0;
/** Bun allows at most 255. Each write restarts the timeout, which has a resolution of 4 s. */
const STREAM_TIMEOUT_SECONDS = 240;

/** The part of Bun's server that sets the idle timeout of a request's connection. */
export interface ConnectionTimeouts {
  timeout(request: Request, seconds: number): void;
}

/**
 * Extends the idle timeout for a stream. Without a short enough `idleMsMax`, the timeout is switched off, and the returned function must be
 * called at the end of the stream to restore it: otherwise a client that does not read would hold its queue without a time limit. If
 * `idleMsMax` is short, a longer timeout is enough; nothing is returned, and the request can be released.
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
 * The body of a streaming response on `Bun.serve`: a direct stream (Bun, "Direct ReadableStream"), which writes to the connection without
 * a queue of objects. One object is both source and sink, to save memory per idle stream.
 *
 * The runtime calls `pull` once, when the response starts, or `cancel` if the client has disconnected before. Chunks of one turn of the
 * event loop are sent together at its end. The response's headers are sent with the first chunk.
 */
export class FetchBody implements BodySink, Bun.DirectUnderlyingSource<Uint8Array> {
  readonly type = "direct";
  readonly #writer: BodyWriter;
  readonly #onClosed: (() => void) | undefined;
  #controller: ReadableStreamDirectController | undefined;
  #open = true;
  /** Bytes written since the socket applied backpressure. */
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

  /** Called by the runtime. The stream stays open, since no promise is returned. */
  pull(controller: ReadableStreamDirectController): void {
    this.#controller = controller;
    this.#writer.bodyOpened(this);
  }

  /** Called by the runtime when the client disconnects. */
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

  /** The runtime has queued the chunk. `drained` settles when the queue is sent, or when the client has disconnected. */
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

/** The result of the controller's `write`. 0 if it throws, since the connection is closed. */
function writeTo(controller: ReadableStreamDirectController, bytes: Uint8Array) {
  try {
    return controller.write(bytes);
  } catch {
    return 0;
  }
}
