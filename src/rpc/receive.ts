import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { NegotiatedCompression } from "./compression.ts";
import type { RpcOptions } from "./options.ts";
import { checkPeer } from "./peer-guard.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";
import type { AnyMethod } from "./service.ts";

/** Call parameters from a request's headers. */
export interface CallHeaders {
  readonly timeoutMs: number | undefined;
  readonly compression: NegotiatedCompression;
}

/**
 * Checks the peer by the guard, and reads the request's headers. Throws the guard's refusal, or a ConnectError. Must stay synchronous:
 * node:http2 loses the end of a body if no listener is attached in the first turn.
 */
export function openCall<Peer>(
  { limits }: AnyMethod<Peer>,
  protocol: UnaryProtocol | StreamProtocol,
  call: Call<Peer>,
  options: RpcOptions<Peer>,
): CallHeaders {
  const { headers } = call.request;
  if (!limits.servesAnyPeer) checkPeer(call, 0, options.guard);
  protocol.checkHeaders(headers);
  const timeoutMs = protocol.timeoutMs(headers.get(protocol.headers.timeout));
  return { timeoutMs, compression: options.compressions.negotiate(protocol.headers, headers) };
}

/** Runs a step that reads or decodes a message. Charges the peer if it fails, unless the client disconnected or was slow. */
export async function receive<T, Peer>(call: Call<Peer>, options: RpcOptions<Peer>, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    throw await charged(thrown, call, options);
  }
}

/** Charges the peer for an error that occurred before the message was decoded. Returns the error. */
export async function charged<Peer>(thrown: unknown, call: Call<Peer>, { guard }: RpcOptions<Peer>): Promise<unknown> {
  if (!call.isPeerRefused && isChargeable(thrown)) await guard.charge(call.peer, call.cost);
  return thrown;
}

/** Mobile clients often disconnect or are slow, so that is not charged. */
function isChargeable(thrown: unknown): boolean {
  return !(thrown instanceof ConnectError) || (thrown.code !== Code.Canceled && thrown.code !== Code.DeadlineExceeded);
}
