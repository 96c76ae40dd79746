import type { DescMessage } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { HttpRequest, HttpStreamReply } from "./http.ts";
import type { Negotiated } from "./negotiate.ts";
import { type RpcOptions, readOptions } from "./options.ts";
import { OutgoingStream, type StreamOwner } from "./outgoing-stream.ts";
import type { StreamProtocol } from "./protocol.ts";
import { type CallHeaders, charged, openCall } from "./receive.ts";
import type { ReadOptions } from "./request-message.ts";
import type { BidiStreamMethod, ServerStreamMethod } from "./service.ts";

/** The part of a streaming call that differs between server-streaming and bidirectional methods. */
interface StreamCall<Peer> {
  /** Reads the request and calls the handler of the method. If the promise rejects, the response ends with the error. */
  handle(call: Call<Peer>, stream: OutgoingStream<DescMessage>, read: ReadOptions): Promise<void>;
  /** Called once, after the end of the response. `thrown` is the error that ended it; `undefined` after success. */
  ended?(thrown: unknown): void;
}

type AnyStreamMethod<Peer> =
  | ServerStreamMethod<DescMessage, DescMessage, Peer>
  | BidiStreamMethod<DescMessage, DescMessage, Peer>;

/** Serves a call with a streaming response. The promise resolves when the response starts, and never rejects. */
export function serveStream<Peer>(
  method: AnyStreamMethod<Peer>,
  { protocol, codec }: Negotiated<StreamProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
  streamCall: StreamCall<Peer>,
): Promise<HttpStreamReply> {
  const call = new Call(request, protocol.name, codec, options.clock.monotonic());
  return new Promise((respond) => {
    const owner = new AnsweredCall(method.name, call, options, streamCall, respond);
    const { compressBytesMin } = options;
    const stream = new OutgoingStream({ call, protocol, encoder: method.output[codec], compressBytesMin, owner });
    run(method, protocol, call, stream, options, streamCall).catch((thrown) => stream.end(thrown));
  });
}

/** The part of a call that is kept in memory until its response ends. */
class AnsweredCall<Peer> implements StreamOwner {
  readonly #method: string;
  readonly #call: Call<Peer>;
  readonly #options: RpcOptions<Peer>;
  readonly #ended: StreamCall<Peer>["ended"];
  #respond: ((reply: HttpStreamReply) => void) | undefined;

  constructor(
    method: string,
    call: Call<Peer>,
    options: RpcOptions<Peer>,
    { ended }: StreamCall<Peer>,
    respond: (reply: HttpStreamReply) => void,
  ) {
    this.#method = method;
    this.#call = call;
    this.#options = options;
    this.#ended = ended;
    this.#respond = respond;
  }

  respond(reply: HttpStreamReply): void {
    this.#respond?.(reply);
    this.#respond = undefined;
  }

  toConnectError(thrown: unknown): ConnectError {
    return this.#options.toConnectError(thrown);
  }

  ended(thrown: unknown): void {
    const call = this.#call;
    call.finish();
    this.#ended?.(thrown);
    this.#options.onDone({ method: this.#method, call, thrown });
  }
}

async function run<Peer>(
  method: AnyStreamMethod<Peer>,
  protocol: StreamProtocol,
  call: Call<Peer>,
  stream: OutgoingStream<DescMessage>,
  options: RpcOptions<Peer>,
  streamCall: StreamCall<Peer>,
): Promise<void> {
  let opened: CallHeaders;
  try {
    opened = openCall(method, protocol, call, options);
  } catch (thrown) {
    throw await charged(thrown, call, options);
  }
  const { timeoutMs, compression } = opened;
  call.startDeadline(timeoutMs, (error) => stream.end(error));
  stream.compressWith(compression.response);
  await streamCall.handle(call, stream, readOptions(method, protocol, compression.request, call, options));
}
