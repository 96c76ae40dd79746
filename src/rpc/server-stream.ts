import type { DescMessage } from "@bufbuild/protobuf";
import type { HttpRequest, HttpStreamReply } from "./http.ts";
import type { Negotiated } from "./negotiate.ts";
import type { RpcOptions } from "./options.ts";
import type { StreamProtocol } from "./protocol.ts";
import { receive } from "./receive.ts";
import { readMessage } from "./request-message.ts";
import type { ServerStreamMethod } from "./service.ts";
import { serveStream } from "./stream-call.ts";

/**
 * Serves a server-streaming call. The promise resolves when the response starts, and never rejects. If the call fails before
 * the first message, the response is a stream that contains only the error.
 */
export function serveServerStream<Peer>(
  method: ServerStreamMethod<DescMessage, DescMessage, Peer>,
  negotiated: Negotiated<StreamProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
): Promise<HttpStreamReply> {
  return serveStream(method, negotiated, request, options, {
    async handle(call, stream, read) {
      const message = async () => method.input[call.codec].decode(await readMessage(request, read));
      await method.handle(await receive(call, options, message), call, stream);
    },
  });
}
