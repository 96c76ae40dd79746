import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { HttpReply, HttpRequest } from "./http.ts";
import type { Negotiated } from "./negotiate.ts";
import { type RpcOptions, readOptions } from "./options.ts";
import type { UnaryProtocol } from "./protocol.ts";
import { type CallHeaders, charged, openCall, receive } from "./receive.ts";
import { readMessage } from "./request-message.ts";
import type { UnaryMethod } from "./service.ts";
import { EncodedMessage } from "./service.ts";

type AnyUnaryMethod<Peer> = UnaryMethod<DescMessage, DescMessage, Peer>;

/** Serves a unary call. The promise never rejects: an error becomes an error response. */
export async function serveUnary<Peer>(
  method: AnyUnaryMethod<Peer>,
  { protocol, codec }: Negotiated<UnaryProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
): Promise<HttpReply> {
  const call = new Call(request, protocol.name, codec, options.clock.monotonic());
  let thrown: unknown;
  let reply: HttpReply;
  try {
    reply = await answer(method, protocol, call, options);
  } catch (error) {
    thrown = canceledOr(error, call);
    reply = protocol.replyError(options.toConnectError(thrown), codec, call.metadata());
  }
  call.finish();
  options.onDone({ method: method.name, call, thrown });
  return reply;
}

async function answer<Peer>(
  method: AnyUnaryMethod<Peer>,
  protocol: UnaryProtocol,
  call: Call<Peer>,
  options: RpcOptions<Peer>,
): Promise<HttpReply> {
  const { request, codec } = call;
  let opened: CallHeaders;
  try {
    opened = openCall(method, protocol, call, options);
  } catch (thrown) {
    throw await charged(thrown, call, options);
  }
  const { timeoutMs, compression } = opened;
  const read = readOptions(method, protocol, compression.request, call, options);
  const receiveMessage = async () => method.input[codec].decode(await readMessage(request, read));
  const work = async () => method.handle(await receive(call, options, receiveMessage), call);
  const message = await inTime(work, timeoutMs, call);
  if (message instanceof EncodedMessage) return protocol.reply(message.bytes, codec, call.metadata());
  const plain = method.output[codec].encode(message);
  const packer = plain.byteLength >= options.compressBytesMin ? compression.response : undefined;
  return protocol.reply(packer?.compress(plain) ?? plain, codec, call.metadata(packer?.name));
}

/**
 * Returns the result of `work`. If the client's timeout passes first, rejects with `deadline_exceeded`. `work` then continues,
 * but its result is ignored.
 */
function inTime<T, Peer>(work: () => Promise<T>, timeoutMs: number | undefined, call: Call<Peer>): Promise<T> {
  if (timeoutMs === undefined) return work();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  call.startDeadline(timeoutMs, reject);
  work().then(resolve, reject);
  return promise;
}

/**
 * Returns the error to report. If the client has disconnected, any error except a ConnectError becomes `canceled`, because the
 * disconnect probably caused the error.
 */
function canceledOr<Peer>(thrown: unknown, call: Call<Peer>): unknown {
  if (thrown instanceof ConnectError || !call.request.signal().aborted) return thrown;
  return new ConnectError("the client canceled the call", Code.Canceled, undefined, undefined, thrown);
}
