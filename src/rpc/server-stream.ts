import type { DescMessage } from "@bufbuild/protobuf";
import { Call } from "./call.ts";
import type { HttpRequest, HttpStreamReply } from "./http.ts";
import type { Negotiated } from "./negotiate.ts";
import { type RpcOptions, readOptions } from "./options.ts";
import { OutgoingStream } from "./outgoing-stream.ts";
import type { StreamProtocol } from "./protocol.ts";
import { readMessage } from "./request-message.ts";
import type { ServerStreamMethod } from "./service.ts";

/** One server-streaming call. Resolves when the answer begins; an error, too, is a stream that ends. Never rejects. */
export function serveServerStream<Peer>(
  method: ServerStreamMethod<DescMessage, DescMessage, Peer>,
  negotiated: Negotiated<StreamProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
): Promise<HttpStreamReply> {
  const { protocol, codec } = negotiated;
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
      options.onDone({ method: method.name, protocol: protocol.name, codec, request, call, thrown, startedAt });
    },
  });
  run(method, protocol, call, stream, options).catch((thrown) => stream.end(thrown));
  return promise;
}

async function run<Peer>(
  method: ServerStreamMethod<DescMessage, DescMessage, Peer>,
  protocol: StreamProtocol,
  call: Call<Peer>,
  stream: OutgoingStream<DescMessage>,
  options: RpcOptions<Peer>,
): Promise<void> {
  const { request, codec } = call;
  protocol.checkHeaders(request.headers);
  call.startDeadline(protocol.timeoutMs(request.headers.get(protocol.headers.timeout)), (error) => stream.end(error));
  const compression = options.compressions.negotiate(protocol.headers, request.headers);
  stream.compressWith(compression.response);
  const bytes = await readMessage(request, readOptions(protocol.framed, compression.request, options));
  await method.handle(method.input[codec].decode(bytes), call, stream);
}
