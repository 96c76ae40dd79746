import type { DescMessage } from "@bufbuild/protobuf";
import { Call } from "./call.ts";
import type { HttpRequest, HttpStreamReply } from "./http.ts";
import type { Negotiated } from "./negotiate.ts";
import { type RpcOptions, readOptions } from "./options.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import type { StreamProtocol } from "./protocol.ts";
import type { ReadOptions } from "./request-message.ts";
import type { BidiStreamMethod, ServerStreamMethod } from "./service.ts";

/** What one kind of streaming method adds to what they have in common. */
interface StreamCall<Peer> {
  /** Reads the request, and lets the method answer it. What it throws ends the answer. */
  handle(call: Call<Peer>, stream: OutgoingStream<DescMessage>, read: ReadOptions): Promise<void>;
  /** Called once, when the answer has ended: `undefined` for success. */
  ended?(thrown: unknown): void;
}

type AnyStreamMethod<Peer> =
  | ServerStreamMethod<DescMessage, DescMessage, Peer>
  | BidiStreamMethod<DescMessage, DescMessage, Peer>;

/** A call that is answered by a stream. Resolves when the answer begins; never rejects. */
export function serveStream<Peer>(
  method: AnyStreamMethod<Peer>,
  { protocol, codec }: Negotiated<StreamProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
  streamCall: StreamCall<Peer>,
): Promise<HttpStreamReply> {
  const { promise, resolve } = Promise.withResolvers<HttpStreamReply>();
  const startedAt = options.clock.monotonic();
  const call = new Call(request, protocol.name, codec);
  const stream = new OutgoingStream({
    call,
    protocol,
    encoder: method.output[codec],
    compressBytesMin: options.compressBytesMin,
    respond: resolve,
    onEnd: (thrown) => {
      call.finish();
      streamCall.ended?.(thrown);
      options.onDone({ method: method.name, protocol: protocol.name, codec, request, call, thrown, startedAt });
    },
  });
  run(protocol, call, stream, options, streamCall).catch((thrown) => stream.end(thrown));
  return promise;
}

async function run<Peer>(
  protocol: StreamProtocol,
  call: Call<Peer>,
  stream: OutgoingStream<DescMessage>,
  options: RpcOptions<Peer>,
  streamCall: StreamCall<Peer>,
): Promise<void> {
  const { headers } = call.request;
  protocol.checkHeaders(headers);
  call.startDeadline(protocol.timeoutMs(headers.get(protocol.headers.timeout)), (error) => stream.end(error));
  const compression = options.compressions.negotiate(protocol.headers, headers);
  stream.compressWith(compression.response);
  await streamCall.handle(call, stream, readOptions(protocol.framed, compression.request, options));
}
