import type { BodySink, BodyWriter } from "../../rpc/http.ts";

/** Quiet connections are closed after this; streams are exempt, and calls answer or time out well before. */
export const IDLE_TIMEOUT_SECONDS = 150;
const NO_TIMEOUT = 0;
/** Below the 255 that Bun takes. It counts anew with every write, in steps of 4 s. */
const STREAM_TIMEOUT_SECONDS = 240;

/** The part of `Bun.serve`'s server that says how long a request's connection may be quiet. */
export interface ConnectionTimeouts {
  timeout(request: Request, seconds: number): void;
}

/**
 * Lets a stream's connection be quiet, and gives what ends that when the stream does: a client that does not read would otherwise hold for
 * ever what is queued for it. Nothing needs to be ended, and nothing of the request kept, where the stream is never quiet for long.
 */
export function allowIdle(
  request: Request,
  timeouts: ConnectionTimeouts,
  idleMsMax: number | undefined,
): (() => void) | undefined {
  const isLively = idleMsMax !== undefined && idleMsMax * 2 <= STREAM_TIMEOUT_SECONDS * 1000;
  timeouts.timeout(request, isLively ? STREAM_TIMEOUT_SECONDS : NO_TIMEOUT);
  return isLively ? undefined : () => timeouts.timeout(request, IDLE_TIMEOUT_SECONDS);
}

/**
 * The body of a streaming answer on `Bun.serve`: a direct stream (Bun, "Direct ReadableStream"), whose chunks go to the connection
 * with no queue of objects between. It is its own source and sink, so that a quiet stream takes one object here.
 *
 * The runtime calls `pull` once, when the answer begins, or `cancel` where the client has gone before. Chunks of one turn are sent
 * together at its end; the answer's headers go out with the first.
 */
export class FetchBody implements BodySink, Bun.DirectUnderlyingSource<Uint8Array> {
  readonly type = "direct";
  readonly #writer: BodyWriter;
  readonly #onClosed: (() => void) | undefined;
  #controller: ReadableStreamDirectController | undefined;
  #open = true;
  /** What was written since the client fell behind. */
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

  /** Called by the runtime. That it gives no promise keeps the stream open. */
  pull(controller: ReadableStreamDirectController): void {
    this.#controller = controller;
    this.#writer.bodyOpened(this);
  }

  /** Called by the runtime when the client is gone. */
  cancel(): void {
    this.#closed();
  }

  write(bytes: Uint8Array): void {
    if (!this.#open || this.#controller === undefined || bytes.byteLength === 0) return;
    const written = writeTo(this.#controller, bytes);
    if (written === 0) this.#closed();
    else if (this.#queuedBytes > 0) this.#queuedBytes += bytes.byteLength;
    else if (typeof written !== "number") this.#waitFor(written, bytes.byteLength);
  }

  close(): void {
    if (!this.#open) return;
    this.#controller?.close();
    this.#closed();
  }

  /** The client has fallen behind: the runtime took the chunk all the same, and says when the client has caught up, or is gone. */
  #waitFor(drained: PromiseLike<unknown>, byteLength: number): void {
    this.#queuedBytes = byteLength;
    const settled = () => {
      this.#queuedBytes = 0;
      if (this.#open) this.#writer.bodyDrained();
    };
    drained.then(settled, settled);
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queuedBytes = 0;
    this.#controller = undefined;
    this.#onClosed?.();
    this.#writer.bodyClosed();
  }
}

/** As the controller's own; 0 also where it throws, since the connection is no more. */
function writeTo(controller: ReadableStreamDirectController, bytes: Uint8Array) {
  try {
    return controller.write(bytes);
  } catch {
    return 0;
  }
}
