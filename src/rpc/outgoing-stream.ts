import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { Codec, CodecName } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { encodeFrame, FLAG_COMPRESSED } from "./frame.ts";
import type { BodySink, BodyWriter, HttpStreamReply } from "./http.ts";
import type { ProtocolName, StreamEnd, StreamProtocol } from "./protocol.ts";

/** The call that a stream belongs to. */
export interface StreamOwner {
  /** Starts the response. Called once. */
  respond(reply: HttpStreamReply): void;
  /** Translates an error for the client. */
  toConnectError(thrown: unknown): ConnectError;
  /** Called once, with the error that ended the stream; `undefined` for success. */
  ended(thrown: unknown): void;
}

/** Called when a stream ends. */
export interface EndListener {
  /** `thrown`: `undefined` for success; a `canceled` error if the client disconnected. */
  ended(thrown: unknown): void;
}

/**
 * The response of a streaming call. It starts the HTTP response with its first frame or its end; until then a handler can set headers.
 * Thousands are open and idle, so rarely used parts are created on first use.
 */
export class OutgoingStream<O extends DescMessage> implements BodyWriter {
  readonly codec: CodecName;
  readonly protocol: ProtocolName;
  readonly #call: Call;
  readonly #wire: StreamProtocol;
  readonly #encoder: Codec<O>;
  readonly #compressBytesMin: number;
  readonly #owner: StreamOwner;
  #compression: Compression | undefined;
  #idleMsMax: number | undefined;
  #body: BodySink | undefined;
  #responded = false;
  #ended = false;
  #closed = false;
  /** Frames written before the host opened the body, and the end of the stream if it came before that. */
  #early: Uint8Array[] | undefined;
  #earlyEnd: StreamEnd | undefined;
  #endListener: EndListener | undefined;
  #wakeDrained: (() => void) | undefined;

  constructor(parts: {
    call: Call;
    protocol: StreamProtocol;
    encoder: Codec<O>;
    /** Shorter messages are sent uncompressed. */
    compressBytesMin: number;
    owner: StreamOwner;
  }) {
    this.codec = parts.call.codec;
    this.protocol = parts.protocol.name;
    this.#call = parts.call;
    this.#wire = parts.protocol;
    this.#encoder = parts.encoder;
    this.#compressBytesMin = parts.compressBytesMin;
    this.#owner = parts.owner;
  }

  /** Sets the compression of `send`. Must be called before the stream is opened. */
  compressWith(compression: Compression | undefined): void {
    this.#compression = compression;
  }

  /**
   * Frees the request, for a stream that stays open for long. The handler guarantees a message at least every `idleMsMax`. Must be called
   * before the stream is opened.
   */
  releaseRequest(idleMsMax: number): void {
    this.#idleMsMax = idleMsMax;
    this.#call.request.release();
  }

  /** Sends the headers if they are not sent yet. For a stream whose first message may take long. */
  open(): void {
    if (!this.#ended) this.#start();
  }

  /** Sends one message. */
  send(message: MessageInitShape<O>): void {
    const plain = this.#encoder.encode(message);
    const packer = plain.byteLength >= this.#compressBytesMin ? this.#compression : undefined;
    this.write(packer === undefined ? encodeFrame(0, plain) : encodeFrame(FLAG_COMPRESSED, packer.compress(plain)));
  }

  /** Sends a frame, encoded in the stream's codec. Does nothing after the end of the stream. */
  write(frame: Uint8Array): void {
    if (this.#ended) return;
    if (this.#body !== undefined) this.#body.write(frame);
    else this.#writeEarly(frame);
  }

  /** Ends the stream, with success or with an error. Idempotent. */
  end(thrown?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endListener?.ended(thrown);
    this.#endListener = undefined;
    const error = thrown === undefined ? undefined : this.#owner.toConnectError(thrown);
    const end = this.#wire.streamEnd(error, this.#call.metadata().trailer);
    if (this.#body !== undefined) finish(this.#body, end);
    else this.#earlyEnd = end;
    this.#start();
    this.#owner.ended(thrown);
  }

  /** Bytes queued for the client. */
  get queuedBytes(): number {
    return this.#body?.queuedBytes ?? this.#early?.reduce((sum, frame) => sum + frame.byteLength, 0) ?? 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Calls the listener once, when the stream ends; immediately if it has ended. One listener per stream. */
  onEnd(listener: EndListener): void {
    if (this.#ended) listener.ended(undefined);
    else this.#endListener = listener;
  }

  /** Resolves when the queue is sent, or when the client has disconnected. One waiter at a time. */
  drained(): Promise<void> {
    if (this.#closed || this.#body?.needsDrain === false) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeDrained = resolve;
    });
  }

  /** For the host (BodyWriter). */
  bodyOpened(body: BodySink): void {
    this.#body = body;
    for (const frame of this.#early ?? []) body.write(frame);
    this.#early = undefined;
    if (this.#earlyEnd !== undefined) finish(body, this.#earlyEnd);
    else if (!body.needsDrain) this.bodyDrained();
  }

  /** For the host (BodyWriter). */
  bodyDrained(): void {
    const wake = this.#wakeDrained;
    this.#wakeDrained = undefined;
    wake?.();
  }

  /** For the host (BodyWriter). */
  bodyClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.bodyDrained();
    this.end(new ConnectError("the client canceled the call", Code.Canceled));
  }

  #writeEarly(frame: Uint8Array): void {
    this.#early ??= [];
    this.#early.push(frame);
    this.#start();
  }

  #start(): void {
    if (this.#responded) return;
    this.#responded = true;
    const headers = this.#wire.streamHeaders(this.codec, this.#call.metadata(this.#compression?.name));
    this.#owner.respond({ kind: "stream", status: 200, headers, writer: this, idleMsMax: this.#idleMsMax });
  }
}

function finish(body: BodySink, { frame, trailers }: StreamEnd): void {
  if (frame !== undefined) body.write(frame);
  body.close(trailers);
}
