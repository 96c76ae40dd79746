import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeFrame, FLAG_COMPRESSED } from "../core/frame.ts";
import type { Call } from "./call.ts";
import type { Codec, CodecName } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { toConnectError } from "./errors.ts";
import type { BodySink, HttpStreamReply } from "./http.ts";
import type { ProtocolName, StreamProtocol } from "./protocol.ts";

/**
 * The answer of a server-streaming call while it is open. It becomes an HTTP response with its first frame or its end, so that
 * a handler can still set headers until then.
 */
export class OutgoingStream<O extends DescMessage> {
  readonly codec: CodecName;
  readonly protocol: ProtocolName;
  readonly #call: Call;
  readonly #wire: StreamProtocol;
  readonly #encoder: Codec<O>;
  readonly #compressBytesMin: number;
  readonly #respond: (reply: HttpStreamReply) => void;
  readonly #onEnd: (thrown: unknown) => void;
  #compression: Compression | undefined;
  #body: BodySink | undefined;
  #responded = false;
  #ended = false;
  /** What was written, and what else is to be done, before the host gave the body. */
  #early: Uint8Array[] = [];
  #waiting: ((body: BodySink) => void)[] = [];

  constructor(parts: {
    call: Call;
    protocol: StreamProtocol;
    encoder: Codec<O>;
    /** Shorter messages are sent as they are. */
    compressBytesMin: number;
    respond: (reply: HttpStreamReply) => void;
    /** Called once, with what ended the stream; `undefined` for success. */
    onEnd: (thrown: unknown) => void;
  }) {
    this.codec = parts.call.codec;
    this.protocol = parts.protocol.name;
    this.#call = parts.call;
    this.#wire = parts.protocol;
    this.#encoder = parts.encoder;
    this.#compressBytesMin = parts.compressBytesMin;
    this.#respond = parts.respond;
    this.#onEnd = parts.onEnd;
  }

  /** The compression that messages of `send` have from now on. To be called before the stream is opened. */
  compressWith(compression: Compression | undefined): void {
    this.#compression = compression;
  }

  /** Sends the headers, if they have not been sent; for a stream whose first message may take its time. */
  open(): void {
    if (!this.#ended) this.#start();
  }

  /** Sends one message. */
  send(message: MessageInitShape<O>): void {
    const plain = this.#encoder.encode(message);
    const packer = plain.byteLength >= this.#compressBytesMin ? this.#compression : undefined;
    this.write(packer === undefined ? encodeFrame(0, plain) : encodeFrame(FLAG_COMPRESSED, packer.compress(plain)));
  }

  /** Sends a message that is encoded (in the stream's codec) and framed already. Does nothing once the stream has ended. */
  write(frame: Uint8Array): void {
    if (this.#ended) return;
    if (this.#body !== undefined) this.#body.write(frame);
    else this.#early.push(frame);
    this.#start();
  }

  /** Ends the stream: with success, or with what went wrong. Idempotent. */
  end(thrown?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const error = thrown === undefined ? undefined : toConnectError(thrown);
    const { frame, trailers } = this.#wire.streamEnd(error, this.#call.metadata().trailer);
    this.#start();
    this.#whenOpen((body) => {
      if (frame !== undefined) body.write(frame);
      body.close(trailers);
    });
    this.#onEnd(thrown);
  }

  /** How many bytes wait for the client to read. */
  get queuedBytes(): number {
    return this.#body?.queuedBytes ?? this.#early.reduce((sum, frame) => sum + frame.byteLength, 0);
  }

  /** Calls back once when the client is gone, or the stream has ended and its body is closed. */
  onClose(listener: () => void): void {
    this.#whenOpen((body) => body.onClose(listener));
  }

  /** Resolves when the client has read enough for more to be sent, or is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => this.#whenOpen((body) => body.onDrain(resolve)));
  }

  #whenOpen(act: (body: BodySink) => void): void {
    if (this.#body !== undefined) act(this.#body);
    else this.#waiting.push(act);
  }

  #start(): void {
    if (this.#responded) return;
    this.#responded = true;
    const headers = this.#wire.streamHeaders(this.codec, this.#call.metadata(this.#compression?.name));
    this.#respond({ kind: "stream", status: 200, headers, start: (body) => this.#open(body) });
  }

  #open(body: BodySink): void {
    this.#body = body;
    for (const frame of this.#early) body.write(frame);
    this.#early = [];
    for (const act of this.#waiting) act(body);
    this.#waiting = [];
    body.onClose(() => this.end(new ConnectError("the client canceled the call", Code.Canceled)));
  }
}
