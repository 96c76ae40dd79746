import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
  Registry,
} from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { type Codecs, codecsOf } from "./codec.ts";
import type { OutgoingStream } from "./outgoing-stream.ts";

/**
 * A response message that a unary handler has already encoded with `call.codec`. The server sends it without compression,
 * because compressing many signed events takes milliseconds and saves little.
 */
export class EncodedMessage {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/**
 * Answers one request message with one response message. May throw any error: `RpcOptions.toConnectError` translates errors.
 * A handler that has already encoded the response returns an `EncodedMessage`.
 */
export type UnaryHandler<I extends DescMessage, O extends DescMessage, Peer> = (
  request: MessageShape<I>,
  call: Call<Peer>,
) => Promise<MessageInitShape<O> | EncodedMessage> | MessageInitShape<O>;

/**
 * Answers one request message with a stream. The stream stays open after the handler returns. The handler, or the code that it
 * passes the stream to, must call `stream.end`. If the handler throws, the stream ends with the error.
 */
export type ServerStreamHandler<I extends DescMessage, O extends DescMessage, Peer> = (
  request: MessageShape<I>,
  call: Call<Peer>,
  stream: OutgoingStream<O>,
) => Promise<void> | void;

/**
 * Answers a stream of request messages with a stream. The response stream stays open after the handler returns. The handler, or
 * the code that it passes the stream to, must call `stream.end`.
 *
 * - `requests` can be iterated once. Each step of the iteration reads one message.
 * - The iteration ends after the last message of the client. It throws if the call ends before the last message.
 */
export type BidiStreamHandler<I extends DescMessage, O extends DescMessage, Peer> = (
  requests: AsyncIterable<MessageShape<I>>,
  call: Call<Peer>,
  stream: OutgoingStream<O>,
) => Promise<void> | void;

/** Limits for the calls of one method. */
export interface MethodLimits {
  /** Maximum length of a request message, in bytes. If `RpcOptions.requestBytesMax` is lower, it applies instead. */
  readonly requestBytesMax: number;
  /**
   * If true, the peer guard does not check the calls of this method. Set it only if serving a call is as cheap as refusing the
   * call.
   */
  readonly servesAnyPeer: boolean;
}

export interface MethodOptions extends Partial<MethodLimits> {
  /** The message types that an Any field in the method's messages may contain. */
  readonly registry?: Registry;
}

interface MethodBase<I extends DescMessage, O extends DescMessage> {
  /** The URL path of the method, in the form `/package.Service/Method`. */
  readonly path: string;
  readonly name: string;
  readonly input: Codecs<I>;
  readonly output: Codecs<O>;
  readonly limits: MethodLimits;
}

export interface UnaryMethod<I extends DescMessage, O extends DescMessage, Peer> extends MethodBase<I, O> {
  readonly kind: "unary";
  readonly handle: UnaryHandler<I, O, Peer>;
}

export interface ServerStreamMethod<I extends DescMessage, O extends DescMessage, Peer> extends MethodBase<I, O> {
  readonly kind: "server_streaming";
  readonly handle: ServerStreamHandler<I, O, Peer>;
}

export interface BidiStreamMethod<I extends DescMessage, O extends DescMessage, Peer> extends MethodBase<I, O> {
  readonly kind: "bidi_streaming";
  readonly handle: BidiStreamHandler<I, O, Peer>;
}

export type AnyMethod<Peer> =
  | UnaryMethod<DescMessage, DescMessage, Peer>
  | ServerStreamMethod<DescMessage, DescMessage, Peer>
  | BidiStreamMethod<DescMessage, DescMessage, Peer>;

export function unary<I extends DescMessage, O extends DescMessage, Peer>(
  desc: DescMethodUnary<I, O>,
  handle: UnaryHandler<I, O, Peer>,
  options?: MethodOptions,
): UnaryMethod<I, O, Peer> {
  return { kind: "unary", ...methodBase<I, O>(desc, options), handle };
}

export function serverStream<I extends DescMessage, O extends DescMessage, Peer>(
  desc: DescMethodServerStreaming<I, O>,
  handle: ServerStreamHandler<I, O, Peer>,
  options?: MethodOptions,
): ServerStreamMethod<I, O, Peer> {
  return { kind: "server_streaming", ...methodBase<I, O>(desc, options), handle };
}

export function bidiStream<I extends DescMessage, O extends DescMessage, Peer>(
  desc: DescMethodBiDiStreaming<I, O>,
  handle: BidiStreamHandler<I, O, Peer>,
  options?: MethodOptions,
): BidiStreamMethod<I, O, Peer> {
  return { kind: "bidi_streaming", ...methodBase<I, O>(desc, options), handle };
}

function methodBase<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O> | DescMethodServerStreaming<I, O> | DescMethodBiDiStreaming<I, O>,
  { registry, requestBytesMax = Number.POSITIVE_INFINITY, servesAnyPeer = false }: MethodOptions = {},
): MethodBase<I, O> {
  const path = `/${desc.parent.typeName}/${desc.name}`;
  const limits = { requestBytesMax, servesAnyPeer };
  return { path, name: desc.name, input: codecsOf(desc.input, registry), output: codecsOf(desc.output, registry), limits };
}
