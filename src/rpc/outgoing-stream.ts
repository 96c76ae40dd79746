import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { Codec, CodecName } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { encodeBase64, encodeFrame, FLAG_COMPRESSED } from "./frame.ts";
import type { BodySink, BodyWriter, HttpStreamReply } from "./http.ts";
import type { ProtocolName, StreamEnd, StreamProtocol } from "./protocol.ts";

/** The call that an `OutgoingStream` answers. The stream calls these methods. */
export interface StreamOwner {
  /** Starts the HTTP response. Called once. */
  respond(reply: HttpStreamReply): void;
  /** Translates an error to the error that the client gets. */
  toConnectError(thrown: unknown): ConnectError;
  /** Called once, when the stream ends. `thrown` is the error that ended the stream; it is `undefined` after success. */
  ended(thrown: unknown): void;
}

export interface EndListener {
  /**
   * Called when the stream ends. `thrown` is `undefined` after success. If the client disconnected, `thrown` is a ConnectError
   * `canceled`.
   */
  ended(thrown: unknown): void;
}

/**
 * The response of a streaming call. The HTTP response starts when `open` is called, when the first frame is written or when the
 * stream ends, whichever comes first. A handler can set headers until the response starts.
 *
 * Thousands of streams can be open and idle. So rarely used parts are created on first use.
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
  /** The error that ended the stream; `undefined` while the stream is open and after success. */
  #thrown: unknown;
  #closed = false;
  /** Frames that were written before the HTTP server opened the response body. */
  #early: Uint8Array[] | undefined;
  /** The end of the stream, if the stream ended before the HTTP server opened the response body. */
  #earlyEnd: StreamEnd | undefined;
  #endListener: EndListener | undefined;
  #wakeDrained: (() => void) | undefined;

  constructor(parts: {
    call: Call;
    protocol: StreamProtocol;
    encoder: Codec<O>;
    /** Messages that are shorter than this number of bytes are not compressed. */
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

  /** Sets the compression that `send` uses. Must be called before the HTTP response starts. */
  compressWith(compression: Compression | undefined): void {
    this.#compression = compression;
  }

  /**
   * Frees the memory of the request. Use it for a stream that stays open for a long time. The handler must then send a message
   * at least every `idleMsMax` ms. Must be called before the HTTP response starts.
   */
  releaseRequest(idleMsMax: number): void {
    this.#idleMsMax = idleMsMax;
    this.#call.request.release();
  }

  /**
   * Starts the HTTP response, so that the client gets the headers before the first message. Use it if the first message may be
   * late.
   */
  open(): void {
    if (!this.#ended) this.#start();
  }

  /** Sends one message. Does nothing after the end of the stream. */
  send(message: MessageInitShape<O>): void {
    const plain = this.#encoder.encode(message);
    const packer = plain.byteLength >= this.#compressBytesMin ? this.#compression : undefined;
    const frame = packer === undefined ? encodeFrame(0, plain) : encodeFrame(FLAG_COMPRESSED, packer.compress(plain));
    this.write(this.isBase64 ? encodeBase64(frame) : frame);
  }

  /** Whether `write` takes frames in base64 (gRPC-Web text). If true, `codec` is `proto`. */
  get isBase64(): boolean {
    return this.#wire.responseForm === "base64";
  }

  /** Sends a frame. It must be encoded with `codec`, then in base64 if `isBase64`. Does nothing after the end of the stream. */
  write(frame: Uint8Array): void {
    if (this.#ended) return;
    if (this.#body !== undefined) this.#body.write(frame);
    else this.#writeEarly(frame);
  }

  /** Ends the stream. The client gets an error if `thrown` is set, and success if `thrown` is `undefined`. Idempotent. */
  end(thrown?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#thrown = thrown;
    this.#endListener?.ended(thrown);
    this.#endListener = undefined;
    const error = thrown === undefined ? undefined : this.#owner.toConnectError(thrown);
    const end = this.#wire.streamEnd(error, this.#call.metadata().trailer);
    if (this.#body !== undefined) finish(this.#body, end);
    else this.#earlyEnd = end;
    this.#start();
    this.#owner.ended(thrown);
  }

  /** Number of bytes that are queued for the client. */
  get queuedBytes(): number {
    return this.#body?.queuedBytes ?? this.#early?.reduce((sum, frame) => sum + frame.byteLength, 0) ?? 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Sets the listener for the end of the stream. A stream has at most one listener. If the stream has already ended, the
   * listener is called immediately.
   */
  onEnd(listener: EndListener): void {
    if (this.#ended) listener.ended(this.#thrown);
    else this.#endListener = listener;
  }

  /** Resolves when all queued bytes are sent, or when the client has disconnected. Only one call may be pending. */
  drained(): Promise<void> {
    if (this.#closed || this.#body?.needsDrain === false) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeDrained = resolve;
    });
  }

  bodyOpened(body: BodySink): void {
    this.#body = body;
    for (const frame of this.#early ?? []) body.write(frame);
    this.#early = undefined;
    if (this.#earlyEnd !== undefined) finish(body, this.#earlyEnd);
    else if (!body.needsDrain) this.bodyDrained();
  }

  bodyDrained(): void {
    const wake = this.#wakeDrained;
    this.#wakeDrained = undefined;
    wake?.();
  }

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
